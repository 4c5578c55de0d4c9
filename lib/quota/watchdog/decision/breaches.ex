defmodule Quota.Watchdog.Decision.Breaches do
  @moduledoc false
  # A process over its own limit that the watchdog ends before its guard does ends by a breach all the same: `Quota.run/3` raises
  # `Quota.ExceededError`, and the breach of a `Quota.put_limit/2` is reported.

  alias Bounded.Native
  alias Quota.Usage

  @doc "Records the breach of a process that is about to end, if it is over its limit. Asks no process."
  def note(pid) do
    with account when account != nil <- Native.account_of(pid),
         %Usage{total: total} <- Usage.from_tuple(Native.account_details(account)),
         true <- total > Native.account_limit(account),
         do: Native.account_breach(account, :usage)

    :ok
  end
end
