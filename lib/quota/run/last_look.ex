defmodule Quota.Run.LastLook do
  @moduledoc false
  # The process measures itself as its work ends, before a collection: it may have exceeded its limit and ended before its guard
  # measured it. Garbage that was collected before that is not seen.

  alias Bounded.Native
  alias Quota.Watch.{Binaries, Ets, ProcessStats}

  @doc """
  `:over` if the calling process, to which the account belongs, is or was measured over its limit, otherwise `:within`. Records
  the breach. `:left` if the process was within its limit and has left the account, as it does where it `leaves` if it has no
  guard and nothing of its memory is charged: it must then charge nothing more, and end.

  One binary over the limit is a breach, garbage or not, and so is a heap that no collection would have fitted in. Everything
  else is collected first. `way` is what `Quota.Watch.ProcessStats.way/0` returned before the work.
  """
  def look(account, policy, way, leaves) do
    if policy.ets, do: observe_tables(account)
    {heap, binaries, list} = ProcessStats.own(way)

    case Native.account_ends(account, heap, binaries, not policy.children, leaves) do
      :over -> if judged_over?(account, policy, list), do: :over, else: :within
      within_or_left -> within_or_left
    end
  end

  # A guard scans tables from time to time, and on a busy node it may not have run since they grew. It is asked to scan them now: two
  # processes that sample a table at once would each count half of its binaries.
  defp observe_tables(account) do
    guard = Native.account_guard(account)
    unless guard && observed_by?(guard), do: Ets.observe(nil, account, self())
  end

  # Where the guard has died, the work will be killed for that, unless it has answered before.
  defp observed_by?(guard) do
    ref = :erlang.monitor(:process, guard, alias: :reply_demonitor)
    send(guard, {:last_look, ref})

    receive do
      {^ref, :observed} -> true
      {:DOWN, ^ref, _, _, _} -> false
    end
  end

  defp judged_over?(account, policy, list) do
    limit = Native.account_limit(account)

    cond do
      Native.account_cause(account) != nil -> true
      Binaries.largest(list, policy.shared) > limit -> record(account)
      not ProcessStats.collectable?(self(), limit) -> record(account)
      over_collected?(account, policy) -> record(account)
      true -> false
    end
  end

  defp over_collected?(account, policy) do
    :erlang.garbage_collect()
    {heap, binaries, list} = ProcessStats.own(:collected)
    binaries = max(binaries - Binaries.slack(list, policy.shared), 0)
    Native.account_ends(account, heap, binaries, not policy.children, false) == :over
  end

  defp record(account) do
    Native.account_breach(account, :usage)
    true
  end
end
