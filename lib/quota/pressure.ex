defmodule Quota.Pressure do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Memory pressure of this node: `:normal`, `:high` or `:critical`.

      iex> Quota.Pressure.level() in [:normal, :high, :critical]
      true

  A `Quota.Pool` admits nothing while the level is `:critical`. Applications can use the level to shed load outside of pools.

  ## Measured figures

  | figure | `:high` from | until below | `:critical` from | until below |
  | --- | --- | --- | --- | --- |
  | memory in use, of the limit | 85 % | 80 % | 95 % | 90 % |
  | time in which some tasks waited for memory (`some`) | 20 % | 10 % | | |
  | time in which all tasks waited for memory (`full`) | | | 20 % | 10 % |
  | throttled by `memory.high` since the last measurement | once | | | |
  | killed by the OOM killer since the last measurement | | | once | |

  The limit is the smallest one of the control group and the groups above it (versions 1 and 2), or the machine's memory if no
  group has a limit. File cache does not count as in use, because the kernel frees it before it kills a process. Waiting is
  the kernel's pressure stall information over ten seconds: of the control group (version 2), or of the machine without a
  limit. Measuring needs no privileges, and reads a few small files, at most twice a second.

  If no figure can be read, the level is `:normal` and `info/0` returns `source: nil`.

  ## Telemetry

  `[:bounded, :pressure]` is sent when a running pool or a call of `level/0` finds that the level has changed:

    * measurements: `usage` and `limit` in bytes, `used` as a fraction of 1, `some` and `full` in percent, nil where unknown
    * metadata: `level`, `previous`, and `source` (`:cgroup_v1`, `:cgroup_v2`, `:machine` or nil)
  """

  alias Bounded.{Cgroup, Telemetry}
  alias Bounded.Facts.Pressure, as: Facts

  @typedoc "The level of the node, see the table above."
  @type level :: :normal | :high | :critical

  @typedoc "What `info/0` returns: bytes, `used` as a fraction of 1, `some` and `full` in percent."
  @type info :: %{
          level: level,
          source: :cgroup_v1 | :cgroup_v2 | :machine | nil,
          limit: non_neg_integer | nil,
          usage: non_neg_integer | nil,
          used: float | nil,
          some: float | nil,
          full: float | nil
        }

  @fresh_ms 450

  # Slots of the atomics that all readers share.
  @level 1
  @looked_at 2
  @throttled 3
  @killed 4

  @doc "Returns the level, which is at most half a second old."
  @spec level() :: level
  def level, do: level(shared())

  @doc """
  Returns the level and its figures: `limit` and `usage` in bytes, `used` as a fraction of 1, `some` and `full` in percent of the
  last ten seconds. A figure that cannot be read is nil.

      iex> %{level: level, source: source} = Quota.Pressure.info()
      iex> {is_atom(level), source in [:cgroup_v1, :cgroup_v2, :machine, nil]}
      {true, true}
  """
  @spec info() :: info
  def info do
    shared = shared()
    shared |> elem(0) |> Facts.read() |> Map.put(:level, level(shared))
  end

  @doc false
  # The state that readers share: the control group, which does not change, and the last measurement.
  def new(group) do
    seen = :atomics.new(4, signed: true)
    events = Cgroup.events(group)
    :atomics.put(seen, @looked_at, now() - @fresh_ms)
    :atomics.put(seen, @throttled, throttled(events))
    :atomics.put(seen, @killed, killed(events))
    {group, seen}
  end

  @doc false
  def level({_group, seen} = shared) do
    looked_at = :atomics.get(seen, @looked_at)
    now = now()

    # When the level is stale, one reader measures and the others take the stale level.
    if now - looked_at >= @fresh_ms and
         :atomics.compare_exchange(seen, @looked_at, looked_at, now) == :ok do
      look(shared)
    else
      Facts.level(:atomics.get(seen, @level))
    end
  end

  @doc false
  def look({group, seen}) do
    figures = Facts.read(group)
    counts = Cgroup.events(group)
    throttled = throttled(counts)
    killed = killed(counts)

    events =
      cond do
        :atomics.exchange(seen, @killed, killed) < killed -> 2
        :atomics.exchange(seen, @throttled, throttled) < throttled -> 1
        true -> 0
      end

    previous = :atomics.get(seen, @level)
    rank = max(events, Facts.rank(figures, previous))
    level = Facts.level(rank)
    changed = :atomics.exchange(seen, @level, rank) != rank
    if changed, do: announce(figures, level, Facts.level(previous))
    level
  end

  defp throttled(events), do: Map.get(events, :high, 0)
  defp killed(events), do: max(Map.get(events, :oom, 0), Map.get(events, :oom_kill, 0))

  defp announce(figures, level, previous) do
    Telemetry.execute(
      [:bounded, :pressure],
      Map.take(figures, [:usage, :limit, :used, :some, :full]),
      %{level: level, previous: previous, source: figures.source}
    )
  end

  defp shared do
    case :persistent_term.get(__MODULE__, nil) do
      nil ->
        shared = new(Cgroup.find())
        :persistent_term.put(__MODULE__, shared)
        shared

      shared ->
        shared
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
