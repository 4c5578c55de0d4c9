defmodule Quota.Tables do
  @moduledoc false
  # ETS tables owned by the processes that count towards a quota. Finding them takes a look at every
  # table of the node, so that is done as often as it may take a twentieth of a core.
  #
  # The VM counts the terms in a table, but not the binaries over 64 bytes that they refer to.

  alias Bounded.Native
  alias Quota.Vm

  @share 20

  @doc "Reports their bytes to the account, unless it is too early. Takes and returns when to look again."
  def observe(next, account) do
    now = System.monotonic_time(:microsecond)

    if next == nil or now >= next do
      Native.account_observe_ets(account, Vm.bytes(words(account)))
      taken = System.monotonic_time(:microsecond) - now
      now + taken * @share
    else
      next
    end
  end

  @doc "Milliseconds until it is time to look again."
  def milliseconds(next),
    do: max(div(next - System.monotonic_time(:microsecond), 1_000) + 1, 1)

  defp words(account) do
    Enum.reduce(:ets.all(), 0, fn table, sum ->
      with owner when is_pid(owner) <- :ets.info(table, :owner),
           true <- Native.account_counts(account, owner),
           words when is_integer(words) <- :ets.info(table, :memory) do
        sum + words
      else
        _ -> sum
      end
    end)
  end
end
