defmodule Bounded.Facts.Ets do
  @moduledoc false
  # ETS tables, the largest, and tables of one name as groups. Binaries that their rows reference are not in these figures.

  alias Bounded.Facts.{Probe, Top}

  @listed 5
  @group_min 2

  @doc "The number of tables, `largest` as `[{bytes, table}]`, and `groups` of at least two tables of one name."
  def gather(probe) do
    tables = Probe.call(probe, :ets, :all, [])
    scan = {Top.new(@listed), %{}}

    {largest, sizes} =
      Probe.reduce(probe, tables, &:ets.info/2, :memory, scan, &scan(&1, &2, probe))

    largest = for {bytes, table} <- Top.to_list(largest), do: {bytes, describe(probe, table)}
    %{count: length(tables), largest: largest, groups: groups(probe, sizes)}
  end

  defp scan({table, words}, {largest, tables}, probe) when is_integer(words) do
    bytes = Probe.bytes(probe, words)
    {Top.add(largest, bytes, table), Map.put(tables, table, bytes)}
  end

  defp scan(_gone, scan, _probe), do: scan

  # Names are asked in a second pass: of a table, `:ets.info/2` answers one item at a time.
  defp groups(probe, sizes) do
    probe
    |> Probe.reduce(Map.keys(sizes), &:ets.info/2, :name, %{}, fn {table, name}, groups ->
      bytes = Map.fetch!(sizes, table)
      Map.update(groups, name, {1, bytes}, fn {count, sum} -> {count + 1, sum + bytes} end)
    end)
    |> Enum.filter(fn {name, {count, _}} -> name != :undefined and count >= @group_min end)
    |> Enum.reduce(Top.new(@listed), fn {name, {count, bytes}}, top ->
      Top.add(top, bytes, %{name: name, count: count})
    end)
    |> Top.to_list()
  end

  defp describe(probe, table) do
    for item <- [:name, :size, :owner], into: %{} do
      {item, Probe.call(probe, :ets, :info, [table, item])}
    end
  end
end
