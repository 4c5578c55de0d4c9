defmodule Quota.Account.Breach do
  @moduledoc false
  # Reports a breach: the stack near the limit, the event, the log line.

  alias Bounded.Native
  alias Quota.{ExceededError, Telemetry}
  alias Quota.Account.BreachLog
  alias Quota.Watch.{Binaries, Mailbox}

  @items [:current_stacktrace, :message_queue_len, :garbage_collection_info]

  @doc "Stores the stack, the message queue and the binaries of `pid` in its account, for the error."
  def note_stack(pid, account) do
    with [current_stacktrace: stack, message_queue_len: queue, garbage_collection_info: info] <-
           Process.info(pid, @items) do
      note = %{
        stack: stack,
        messages: queue,
        mailbox: Mailbox.bytes(pid, queue) || 0,
        binaries: Binaries.census(pid, info, Native.account_limit(account))
      }

      Native.account_stack(account, :erlang.term_to_binary(note))
    end
  end

  @doc "Sends the event of the breach that is recorded in the account, if there is one and it was not sent yet."
  def report(pid, caller, account, enforced) do
    with {category, usage, stack} <- Native.account_cause(account),
         true <- Native.account_reported(account) do
      label = Telemetry.label(account)
      error = ExceededError.new(category, usage, stack, Native.account_limit(account), label)
      Telemetry.breach(error, pid, caller, enforced)

      # The breach of an enforced run is raised instead.
      if pid == caller or not enforced, do: BreachLog.log(error, pid, enforced)
    end
  end
end
