defmodule Quota.Breach do
  @moduledoc false
  # What becomes known of a breach: the stack near the limit, the event, the error.

  alias Bounded.Native
  alias Quota.{Binaries, BreachLog, ExceededError, Figures, Telemetry}

  @items [:current_stacktrace, :message_queue_len, :garbage_collection_info]

  @doc "Keeps where `pid` is now and what it holds, for the error."
  def note_stack(pid, account) do
    with [current_stacktrace: stack, message_queue_len: queue, garbage_collection_info: info] <-
           Process.info(pid, @items) do
      note = %{
        stack: stack,
        messages: queue,
        mailbox: Figures.mailbox(pid, info, queue) || 0,
        binaries: Binaries.census(pid, info, Native.account_limit(account))
      }

      Native.account_stack(account, :erlang.term_to_binary(note))
    end
  end

  @doc "Sends the event of the breach that is recorded in the account, if there is one and nobody has sent it yet."
  def report(pid, caller, account, enforced) do
    with {category, usage, stack} <- Native.account_cause(account),
         true <- Native.account_reported(account) do
      label = Telemetry.label(account)
      error = ExceededError.new(category, usage, stack, Native.account_limit(account), label)
      Telemetry.breach(error, pid, caller, enforced)

      # A run raises, unless it is only observed.
      if pid == caller or not enforced, do: BreachLog.log(error, pid, enforced)
    end
  end
end
