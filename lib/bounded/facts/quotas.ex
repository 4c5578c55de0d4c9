defmodule Bounded.Facts.Quotas do
  @moduledoc false
  # What a node uses of this library: its largest quotas, its pools, its watchdog.

  alias Bounded.Facts.{Pools, Probe, Top}
  alias Bounded.Native

  @listed 20

  @doc """
  `{microseconds, figures}`, nil if the node does not run this library. The quotas are read in pieces until that has cost `budget`
  microseconds; `complete` says whether all were.
  """
  def gather(probe, budget), do: Probe.if_known(fn -> figures(probe, budget) end, {0, nil})

  defp figures(probe, budget) do
    {spent, {{_, _, native, _, _}, orphaned, _}} = Probe.timed(probe, Native, :node_usage, [])
    top = {0, Top.new(@listed)}
    {quotas_us, {count, largest}, complete} = quotas(probe, 0, budget, 0, top)
    {pools_us, pools} = Probe.timed(probe, Pools, :all_figures, [])

    {spent + quotas_us + pools_us,
     %{
       charged: native,
       orphaned: orphaned,
       count: count,
       complete: complete,
       largest: Top.to_list(largest),
       pools: Enum.sort(pools),
       watchdog: watchdog(probe)
     }}
  end

  # Not timed: the call mostly waits, which costs nothing. Older versions lack this function, and show no watchdog.
  defp watchdog(probe),
    do: Probe.if_known(fn -> Probe.call(probe, Bounded.Facts.Watchdog, :status, []) end)

  defp quotas(probe, from, budget, spent, acc) do
    {microseconds, {quotas, next}} = Probe.timed(probe, Native, :quotas, [from])
    acc = Enum.reduce(quotas, acc, &add/2)
    spent = spent + microseconds

    cond do
      next == nil -> {spent, acc, true}
      spent > budget -> {spent, acc, false}
      true -> quotas(probe, next, budget, spent, acc)
    end
  end

  defp add({pid, _caller, limit, age_ms, {usage, _peaks}, label}, {count, top}) do
    {heap, binaries, native, ets, total, _peak} = usage
    label = label && :erlang.binary_to_term(label)

    quota = %{
      pid: pid,
      label: label,
      limit: limit,
      age_ms: age_ms,
      heap: heap,
      binaries: binaries,
      native: native,
      ets: ets
    }

    {count + 1, Top.add(top, total, quota)}
  end
end
