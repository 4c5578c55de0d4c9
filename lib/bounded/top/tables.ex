defmodule Bounded.Top.Tables do
  @moduledoc false
  # The tables of one sample as text, for a terminal (`Bounded.Top.Text`) and for a page (`Bounded.DashboardPage`).

  alias Bounded.Format

  @sorts [growth: "growth", memory: "memory", binaries: "binaries", queue: "messages"]

  @type table :: %{
          id: atom,
          title: String.t(),
          columns: [String.t()],
          rows: [[String.t()]],
          note: String.t() | nil
        }

  @doc "Names of what processes and ETS tables can be sorted by, the default first."
  def sorts, do: Keyword.keys(@sorts)

  @doc "Every kind of memory as `{name, bytes}`. They add up to the resident memory, where that is known and the larger."
  def kinds(%{memory: memory, resident: resident} = sample) do
    named = Enum.sum(for kind <- [:processes, :binary, :ets, :code, :atom], do: memory[kind])
    charged = if sample.library, do: sample.library.charged, else: 0

    [
      {"processes", memory.processes},
      {"binaries", memory.binary},
      {"ETS tables", memory.ets},
      {"code and atoms", memory.code + memory.atom},
      {"other of the VM", memory.total - named},
      {"native memory", charged},
      {"unused, unexplained", max((resident || 0) - memory.total - charged, 0)}
    ]
  end

  @doc "One line on the limit and what of it is in use."
  def limit(%{pressure: %{limit: nil}}), do: "the memory limit of this node cannot be read"

  def limit(%{pressure: pressure} = sample) do
    "#{Format.bytes(pressure.usage || 0)} of #{Format.bytes(pressure.limit)} " <>
      "(#{whose(pressure.source)}) in use" <>
      case sample.growth do
        nil -> ""
        growth -> ", #{rate(growth)}"
      end
  end

  defp whose(:machine), do: "the machine's memory"
  defp whose(_cgroup), do: "the control group's limit"

  @doc "One line on pressure: the level, and how long tasks wait for memory."
  def pressure(%{pressure: %{some: some} = pressure}) when is_float(some) do
    "#{pressure.level}; of the last 10 s some tasks waited for memory #{some} %, all #{pressure.full} %"
  end

  def pressure(%{pressure: pressure}), do: "#{pressure.level}"

  @doc "One line on the watchdog, or nil where the node does not run one."
  def watchdog(%{library: %{watchdog: %{} = watchdog}}) do
    left = watchdog.line - watchdog.used

    "#{watchdog.mode}, line at #{Format.bytes(watchdog.line)}, " <>
      if(left >= 0,
        do: "#{Format.bytes(left)} below it",
        else: "passed by #{Format.bytes(-left)}"
      ) <>
      "; #{last(watchdog.last)}"
  end

  def watchdog(_none), do: nil

  defp last(nil), do: "it has not acted yet"

  defp last(last),
    do: "#{age(last.age_ms)} ago it #{act(last.outcome)}#{whom(last)}"

  defp act(:ended), do: "ended"
  defp act(:observed), do: "would have ended"
  defp act(:refused), do: "was not allowed to end"
  defp act(:collected), do: "collected the garbage of"
  defp act(:nothing_to_end), do: "found nothing to end"
  defp act(:critical), do: "reported that memory is almost used up"
  defp act(:paused), do: "paused after its acts of a minute"

  defp whom(%{kind: nil}), do: ""
  defp whom(%{kind: :group}), do: " the youngest of a group"
  defp whom(%{kind: :process, pid: pid}), do: " #{inspect(pid)}"
  defp whom(%{kind: :table, pid: pid}), do: " #{inspect(pid)}, owner of an ETS table"

  defp whom(%{kind: :persistent_terms, pid: pid}),
    do: " #{inspect(pid)}, writer of persistent terms"

  defp whom(%{kind: :port, pid: pid}), do: " #{inspect(pid)}, user of a port program"
  defp whom(%{kind: :quota, pid: pid}), do: " #{inspect(pid)}, which was over its quota"

  @doc "Tables for people, with rows sorted by `sort`."
  @spec tables(map, atom) :: [table]
  def tables(sample, sort) do
    quotas(sample.library) ++
      pools(sample.library) ++ [processes(sample.processes, sort), ets(sample.tables, sort)]
  end

  defp quotas(nil), do: []

  defp quotas(library) do
    [
      %{
        id: :quotas,
        title: "quotas: #{library.count}#{unless library.complete, do: " or more"}",
        columns: ["in use", "of limit", "limit", "heap", "binaries", "native", "age", "label"],
        rows: Enum.map(library.largest, &quota/1),
        note: nil
      }
    ]
  end

  defp quota({total, quota}) do
    [
      Format.bytes(total),
      "#{percent(total, quota.limit)} %",
      Format.bytes(quota.limit),
      Format.bytes(quota.heap),
      Format.bytes(quota.binaries),
      Format.bytes(quota.native),
      age(quota.age_ms),
      label(quota)
    ]
  end

  defp label(%{label: nil, pid: pid}), do: inspect(pid)
  defp label(%{label: label}), do: inspect(label, limit: 10, printable_limit: 60)

  defp pools(nil), do: []
  defp pools(%{pools: []}), do: []

  defp pools(%{pools: pools}) do
    rows =
      for {name, pool} <- pools do
        [
          Format.bytes(pool.reserved),
          "#{percent(pool.reserved, pool.size)} %",
          Format.bytes(pool.size),
          Format.bytes(pool.peak),
          "#{pool.running}",
          "#{pool.waiting}",
          "#{pool.refused}",
          inspect(name) <> if(pool.paused, do: " (paused)", else: "")
        ]
      end

    [
      %{
        id: :pools,
        title: "pools: #{length(pools)}",
        columns: ["reserved", "of size", "size", "peak", "running", "waiting", "refused", "pool"],
        rows: rows,
        note: nil
      }
    ]
  end

  defp processes(processes, sort) do
    %{
      id: :processes,
      title: "processes: #{processes.count}, by #{@sorts[sort]}",
      columns: ["growth", "memory", "binaries", "messages", "process"],
      rows:
        for row <- sorted(processes.rows, sort) do
          [
            rate(row.growth),
            Format.bytes(row.memory),
            Format.bytes(row.binaries),
            "#{row.queue}",
            row.name
          ]
        end,
      note: turns(processes)
    }
  end

  # Tables have no binaries of their own and no messages.
  defp ets(tables, sort) do
    sort = if sort == :growth, do: :growth, else: :memory

    %{
      id: :tables,
      title: "ETS tables: #{tables.count}, by #{@sorts[sort]}",
      columns: ["growth", "memory", "table"],
      rows:
        for(
          row <- sorted(tables.rows, sort),
          do: [rate(row.growth), Format.bytes(row.memory), row.name]
        ),
      note: turns(tables)
    }
  end

  # Of equal growth, as in the first look, the largest.
  defp sorted(rows, sort),
    do: Enum.sort_by(rows, &{Map.fetch!(&1, sort) || 0, &1.memory + &1.binaries}, :desc)

  defp turns(%{looked_at: looked_at, count: count}) when looked_at < count,
    do: "#{looked_at} at a time, in turns"

  defp turns(_), do: nil

  @doc "Percent of `bytes` in `of`, as a whole number."
  def percent(_bytes, of) when of in [nil, 0], do: 0
  def percent(bytes, of), do: div(bytes * 100 + div(of, 2), of)

  defp rate(nil), do: "-"
  defp rate(0), do: "0"
  defp rate(bytes) when bytes < 0, do: "-#{Format.bytes(-bytes)}/s"
  defp rate(bytes), do: "+#{Format.bytes(bytes)}/s"

  defp age(ms) when ms < 1_000, do: "#{ms} ms"
  defp age(ms) when ms < 120_000, do: "#{div(ms, 1_000)} s"
  defp age(ms) when ms < 7_200_000, do: "#{div(ms, 60_000)} min"
  defp age(ms), do: "#{div(ms, 3_600_000)} h"
end
