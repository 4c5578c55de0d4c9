defmodule Bounded.Facts.Pressure do
  @moduledoc false
  # Memory pressure of a control group, also of another node's: its figures and the level that they reach. `Quota.Pressure` adds what
  # happened in the group since its last measurement, and documents the figures.

  alias Bounded.Cgroup

  @levels {:normal, :high, :critical}

  # Figure: enters :high, leaves :high, enters :critical, leaves :critical. `used` is a fraction of the limit, the others are percent of the
  # time. No number is larger than an atom.
  @thresholds %{
    used: {0.85, 0.80, 0.95, 0.90},
    some: {20.0, 10.0, :never, :never},
    full: {:never, :never, 20.0, 10.0}
  }

  @doc "The figures of `group`, and their level after the level `previous`."
  def measure(group, previous) do
    figures = read(group)
    before = Enum.find_index(Tuple.to_list(@levels), &(&1 == previous))
    Map.put(figures, :level, level(rank(figures, before)))
  end

  @doc "The level of a rank: 0 is `:normal`, 2 is `:critical`."
  def level(rank), do: elem(@levels, rank)

  @doc "The highest rank that any figure reaches, given the previous one."
  def rank(figures, previous) do
    @thresholds
    |> Enum.map(fn {key, thresholds} -> rank(figures[key], previous, thresholds) end)
    |> Enum.max()
  end

  defp rank(nil, _previous, _thresholds), do: 0
  defp rank(value, _, {_, _, critical, _}) when value >= critical, do: 2
  defp rank(value, 2, {_, _, _, leave}) when value >= leave, do: 2
  defp rank(value, _, {high, _, _, _}) when value >= high, do: 1
  defp rank(value, previous, {_, leave, _, _}) when previous > 0 and value >= leave, do: 1
  defp rank(_value, _previous, _thresholds), do: 0

  @doc "The figures of `group`, as `Quota.Pressure.info/0` documents them. A figure that cannot be read is nil."
  def read(group) do
    memory = Cgroup.memory(group)
    stalls = Cgroup.pressure(group, memory) || %{some: nil, full: nil}
    usage = memory.usage && max(memory.usage - memory.reclaimable, 0)

    %{
      source: memory.source,
      limit: memory.limit,
      usage: usage,
      used: usage && memory.limit && used(usage, memory.limit),
      some: stalls.some,
      full: stalls.full
    }
  end

  # A group may have a limit of 0: it has nothing left.
  defp used(_usage, 0), do: 1.0
  defp used(usage, limit), do: usage / limit
end
