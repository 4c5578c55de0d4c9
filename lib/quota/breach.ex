defmodule Quota.Breach do
  @moduledoc false
  # What becomes known of a breach: the stack near the limit, the event, the error.

  alias Bounded.Native
  alias Quota.{ExceededError, Telemetry}

  @doc "Keeps where `pid` is now, for the error."
  def note_stack(pid, account) do
    with {:current_stacktrace, stack} <- Process.info(pid, :current_stacktrace) do
      Native.account_stack(account, :erlang.term_to_binary(stack))
    end
  end

  @doc "Sends the event of the breach that is recorded in the account, if there is one."
  def report(pid, caller, account, enforced) do
    with {category, usage, stack} <- Native.account_cause(account) do
      label = Telemetry.label(account)
      error = ExceededError.new(category, usage, stack, Native.account_limit(account), label)
      Telemetry.breach(error, pid, caller, enforced)
    end
  end
end
