defmodule Quota.Run.LastLook do
  @moduledoc false
  # The process measures itself when its work ends: it may have exceeded its limit since its guard measured it last. Memory that a
  # collection has freed before that is not seen.

  alias Bounded.{Native, Vm}
  alias Quota.Watch.{Binaries, Ets, ProcessStats}

  # The largest heap of which a reply and a process dictionary are visited, in bytes, and the largest number of their terms.
  @small_heap 64 * 1024
  @most_terms 100
  # A larger binary is not part of a heap.
  @heap_binary_bytes 64

  @doc "Whether a binary that is being appended to is not listed: up to OTP 25."
  def unlisted?, do: not Vm.counts_binaries?()

  @doc """
  Returns `:over` if the calling process, which owns `account`, is over its limit or was found so before, and records the breach.
  Otherwise `:within`, or with `leaves` also `:left`: the process has left the account, because it has no guard and no memory is charged.
  It must then charge nothing more, and end.

  One binary over the limit is a breach, garbage or not, and so is a heap too large to collect within three limits. In any other case
  garbage is collected before the verdict. `reply` is what the work has returned or raised. `unlisted` is what `unlisted?/0` returned before
  the work: calling it here could collect garbage that the look has to see.
  """
  def look(account, policy, reply, unlisted, leaves) do
    if policy.ets, do: observe_tables(account)
    {heap, binaries, list} = ProcessStats.own_listed()
    binaries = if unlisted, do: with_appended(binaries, reply, heap), else: binaries

    case Native.account_ends(account, heap, binaries, not policy.children, leaves) do
      :over -> if judged_over?(account, policy, list), do: :over, else: :within
      within_or_left -> within_or_left
    end
  end

  # Adds a binary that is being appended to, if one may be alive: after the work only the reply and the process dictionary can reference it.
  # If neither does, it is garbage, and no breach. Finding that takes an eighth of the time of `ProcessStats.own_counted/0`.
  defp with_appended(listed, reply, heap) do
    if heap <= @small_heap and visit(:erlang.get(), visit(reply, @most_terms)) > 0,
      do: listed,
      else: max(listed, ProcessStats.own_counted())
  end

  # Returns `left` less the number of visited terms: 0 if there are more, or if one is or may be a reference to a binary outside the heap.
  defp visit(_term, 0), do: 0
  defp visit([head | tail], left), do: visit(tail, visit(head, left - 1))
  defp visit([], left), do: left
  defp visit(term, left) when is_atom(term) or is_pid(term) or is_number(term), do: left - 1
  # A reply, and an entry of the dictionary.
  defp visit({key, value}, left), do: visit(value, visit(key, left - 1))

  defp visit(term, left) when is_tuple(term) and tuple_size(term) < left,
    do: visit(Tuple.to_list(term), left)

  defp visit(term, left) when is_map(term) and map_size(term) < left,
    do: visit(:maps.to_list(term), left)

  # A part of a binary is small and refers to all of it.
  defp visit(term, left) when is_binary(term) and byte_size(term) <= @heap_binary_bytes,
    do: if(:binary.referenced_byte_size(term) <= @heap_binary_bytes, do: left - 1, else: 0)

  defp visit(_term, _left), do: 0

  # A guard scans tables from time to time, and on a busy node it may not have run since they grew. It is asked to scan them now: two
  # processes that sample a table at once would each count half of its binaries.
  defp observe_tables(account) do
    guard = Native.account_guard(account)
    unless guard && observed_by?(guard), do: Ets.observe(nil, account, self())
  end

  # If the guard is dead, the process measures its tables itself: it will be killed for that, unless it replies before.
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
    {heap, binaries, list} = ProcessStats.own_collected()
    binaries = max(binaries - Binaries.slack(list, policy.shared), 0)
    Native.account_ends(account, heap, binaries, not policy.children, false) == :over
  end

  defp record(account) do
    Native.account_breach(account, :usage)
    true
  end
end
