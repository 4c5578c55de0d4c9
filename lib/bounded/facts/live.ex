defmodule Bounded.Facts.Live do
  @moduledoc false
  # Figures of a node that are read again and again, at a bounded cost for that node: what `Bounded.Top` shows.
  #
  # The calls to the node are timed on that node. Its processes are scanned in parts, as large as the rest of the time allows, and
  # `pause_ms/1` lengthens the interval where even the fixed figures take too long.

  alias Bounded.{Cgroup, KernelFile}
  alias Bounded.Facts.{Growth, Pressure, Probe, Quotas}

  # Share of one core, in parts of a thousand, that timed calls may take. A third of the hundredth that the node is to lose at most:
  # the rest is for the messages of distribution and for files, which are not timed.
  @share_per_mille 3

  defstruct [
    :probe,
    :group,
    :interval_ms,
    :processes,
    :tables,
    level: :normal,
    used: nil,
    # The cost of the look before the last one, and of the last one.
    costs_us: {0, 0}
  ]

  @doc "Figures of `node`, to be read about every `interval_ms`. Raises `ErlangError` if it cannot be reached."
  def new(node, interval_ms) do
    probe = Probe.new(node)

    %__MODULE__{
      probe: probe,
      group: Cgroup.find(probe.root),
      interval_ms: interval_ms,
      processes: Growth.processes(),
      tables: Growth.tables()
    }
  end

  @doc """
  Reads the figures once: `{sample, live}`. Growth is what changed since the read before, in bytes a second, or nil in the first.
  """
  def look(%__MODULE__{probe: probe} = live) do
    budget = live.interval_ms * @share_per_mille
    {of_memory, memory} = Probe.memory(probe)
    {of_quotas, quotas} = Quotas.gather(probe, budget)
    {of_tables, tables, table_growth} = Growth.look(live.tables, probe, div(budget, 10))
    left = max(budget - of_memory - of_quotas - of_tables, div(budget, 4))
    {of_processes, processes, process_growth} = Growth.look(live.processes, probe, left)
    pressure = Pressure.measure(live.group, live.level)
    now = System.monotonic_time(:millisecond)
    cost_us = of_memory + of_quotas + of_tables + of_processes

    sample = %{
      node: probe.node,
      release: probe.release,
      at: DateTime.truncate(DateTime.utc_now(), :second),
      memory: memory,
      resident: KernelFile.resident(probe.root),
      pressure: pressure,
      growth: growth(live.used, pressure.usage, now),
      processes: processes,
      tables: tables,
      library: quotas,
      cost_us: cost_us
    }

    {sample,
     %{
       live
       | processes: process_growth,
         tables: table_growth,
         level: pressure.level,
         used: {pressure.usage, now},
         costs_us: {elem(live.costs_us, 1), cost_us}
     }}
  end

  @doc """
  Milliseconds to wait after the last read: more than the interval if that and the one before cost too much for it. One alone may have
  waited for a busy processor.
  """
  def pause_ms(%__MODULE__{interval_ms: interval, costs_us: {before, last}}),
    do: max(interval, div(min(before, last), @share_per_mille))

  defp growth({before, at}, usage, now)
       when is_integer(before) and is_integer(usage) and now > at,
       do: div((usage - before) * 1000, now - at)

  defp growth(_before, _usage, _now), do: nil
end
