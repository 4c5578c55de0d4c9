defmodule Quota.Telemetry do
  @moduledoc since: "0.1.0"
  @moduledoc """
  The events that quotas send, when the application `:telemetry` is running.

  | event | when | measurements | metadata |
  | --- | --- | --- | --- |
  | `[:bounded, :quota, :run, :start]` | work begins, after its pool has admitted it | `system_time`, `monotonic_time` (native time units) | `label`, `limit` (bytes), `caller` (pid), `pool` (or nil), `telemetry_span_context` (the same in the two events of a run) |
  | `[:bounded, :quota, :run, :stop]` | the run returns | `duration`, `monotonic_time` (native time units), `peak` (bytes, a lower bound), `native` (bytes still charged) | as above |
  | `[:bounded, :quota, :run, :exception]` | the run raises, throws or exits | as above | as above, and `kind`, `reason`, `stacktrace` |
  | `[:bounded, :quota, :soft_limit]` | usage rises past `:soft_limit` | `total`, `heap`, `binaries`, `native`, `ets` (bytes) | `label`, `limit` (bytes), `pid`, `caller` |
  | `[:bounded, :quota, :breach]` | usage exceeds the limit | as above, and `peak` (bytes) | as above, and `category`, `enforced` (false in `mode: :observe`), `stacktrace` (or nil) |
  | `[:bounded, :quota, :pool, :admitted]` | a pool has reserved memory | `wait` (native time units, 0 without waiting), `charged` (bytes reserved) | `pool`, `label`, `limit` (bytes) |
  | `[:bounded, :quota, :pool, :queued]` | a request begins to wait | `charged` (bytes asked for) | as above |
  | `[:bounded, :quota, :pool, :refused]` | a pool has refused | `wait`, `charged` | as above, and `reason` (see `Quota.PoolFullError`) |
  | `[:bounded, :quota, :pool, :state]` | `measure/0` is called | `size`, `reserved`, `free`, `orphaned` (bytes), `running`, `waiting` | `pool` |
  | `[:bounded, :quota, :cluster, :placed]` | a node has admitted a run with `node:` | `wait` (native time units), `refusals` (nodes that refused it before) | `pool`, `label`, `limit` (bytes), `node` |
  | `[:bounded, :quota, :cluster, :spilled]` | after `:placed`, if this node refused and another one admitted | as above | as above, and `reason` (of this node's refusal) |
  | `[:bounded, :quota, :cluster, :refused]` | no node has room | as above | as above, and `reason` (see `Quota.PoolFullError`) |
  | `[:bounded, :quota, :cluster, :lost]` | the node was lost | as above | as above, and `began` (whether the work may have begun) |
  | `[:bounded, :quota, :active]` | `measure/0` is called | `count`, `limit`, `total` (bytes of all active quotas) | |
  | `[:bounded, :watchdog, :report]` | `Quota.Watchdog` ends something, would end it, or finds nothing to end; and once from 95 % of the limit on | `used`, `limit`, `line`, `pending` (bytes), `growth` (bytes a second) | `outcome` (`:ended`, `:observed`, `:refused`, `:nothing_to_end`, `:critical`), `enforced`, `culprit` (a map, or nil), `others`, `figures`, `findings`, `text` |
  | `[:bounded, :watchdog, :collected]` | a garbage collection gave memory back | `returned` (bytes) | `pid` |
  | `[:bounded, :watchdog, :ended]` | what was ended is dead, and its memory is back or two seconds are over | `returned`, `used` (bytes), `duration` (milliseconds), `processes` | `kind` (`:process`, `:group`, `:table`, `:persistent_terms`, `:port`, `:quota`) |
  | `[:bounded, :watchdog, :paused]` | it has acted as often as `:per_minute` allows | `used`, `limit` (bytes) | `per_minute` |
  | `[:bounded, :pressure]` | the level of `Quota.Pressure` changes | see there | see there |

  A run that its pool refuses sends only `:refused`. The time that it waited for its pool is the `wait` of `:admitted`, and is not part
  of its `duration`.

  The caller of a run sends the breach after the work is dead. The guard of a process with `Quota.put_limit/2` sends the breach of
  that process: before the kill if the guard kills it, right after the kill if the VM does. That breach is also logged, see
  `Quota.put_limit/2`. In `mode: :observe` a breach sends one event, however often usage is measured above the limit.

  The events of `:cluster` are sent on the node that calls `Quota.run/3`. The other events of a run are sent on the node that runs it;
  `caller` is then a process of that node.

  ## Metrics

  `metrics/0` and `measurements/0` fit into the supervisor that Phoenix generates, or any other:

      def init(_arg) do
        children = [
          {:telemetry_poller, measurements: Quota.Telemetry.measurements(), period: 10_000}
        ]

        Supervisor.init(children, strategy: :one_for_one)
      end

      def metrics, do: Quota.Telemetry.metrics() ++ [...]
  """

  alias Bounded.Native
  alias Quota.{ExceededError, Usage}
  alias Quota.Pool.Ledger

  @run [:bounded, :quota, :run]
  @pool [:bounded, :quota, :pool]
  @cluster [:bounded, :quota, :cluster]
  @figures [:size, :reserved, :free, :orphaned, :running, :waiting]
  @events Enum.map([:start, :stop, :exception], &(@run ++ [&1])) ++
            [[:bounded, :quota, :soft_limit], [:bounded, :quota, :breach]] ++
            Enum.map([:admitted, :queued, :refused, :state], &(@pool ++ [&1])) ++
            Enum.map([:placed, :spilled, :refused, :lost], &(@cluster ++ [&1])) ++
            Enum.map([:report, :collected, :ended, :paused], &([:bounded, :watchdog] ++ [&1])) ++
            [[:bounded, :quota, :active], [:bounded, :pressure]]

  @doc """
  Returns the names of all events, for `:telemetry.attach_many/4`.

      iex> [:bounded, :quota, :breach] in Quota.Telemetry.events()
      true
  """
  @spec events :: [[atom, ...]]
  def events, do: @events

  # `{kind, name, tags, options}`. The reporter decides what it shows of them.
  @metrics [
    {:counter, "run.stop.count", [:label, :pool], []},
    {:counter, "run.exception.count", [:label, :pool], []},
    {:summary, "run.stop.duration", [:label, :pool], [unit: {:native, :millisecond}]},
    {:summary, "run.stop.peak", [:label, :pool], [unit: :byte]},
    {:counter, "breach.count", [:label, :category, :enforced], []},
    {:counter, "soft_limit.count", [:label], []},
    {:counter, "pool.admitted.count", [:pool], []},
    {:counter, "pool.queued.count", [:pool], []},
    {:counter, "pool.refused.count", [:pool, :reason], []},
    {:summary, "pool.admitted.wait", [:pool], [unit: {:native, :millisecond}]},
    {:counter, "cluster.placed.count", [:pool, :node], []},
    {:counter, "cluster.spilled.count", [:pool, :node], []},
    {:counter, "cluster.refused.count", [:pool, :reason], []},
    {:counter, "cluster.lost.count", [:pool, :node], []},
    {:summary, "cluster.placed.wait", [:pool], [unit: {:native, :millisecond}]},
    {:last_value, "pool.state.size", [:pool], [unit: :byte]},
    {:last_value, "pool.state.reserved", [:pool], [unit: :byte]},
    {:last_value, "pool.state.running", [:pool], []},
    {:last_value, "pool.state.waiting", [:pool], []},
    {:counter, "watchdog.report.count", [:outcome], []},
    {:summary, "watchdog.ended.returned", [:kind], [unit: :byte]},
    {:last_value, "active.count", [], []},
    {:last_value, "active.total", [], [unit: :byte]}
  ]

  @doc """
  Returns metrics for a reporter of `Telemetry.Metrics`: counts of runs, exceptions, breaches and decisions of pools, durations,
  waiting times and peaks, and the figures of `measure/0`. Tags are labels and pools, so use few different labels.

  Raises `RuntimeError` unless the library `:telemetry_metrics` is loaded.
  """
  @spec metrics :: [struct]
  def metrics do
    unless Code.ensure_loaded?(Telemetry.Metrics) do
      raise "Quota.Telemetry.metrics/0 needs the library :telemetry_metrics: add it to the dependencies of your project"
    end

    for {kind, name, tags, options} <- @metrics,
        do: apply(Telemetry.Metrics, kind, [prefix(name) <> name, [tags: tags] ++ options])
  end

  defp prefix("watchdog." <> _), do: "bounded."
  defp prefix(_quota), do: "bounded.quota."

  @doc """
  Returns the measurements for `:telemetry_poller`, which calls `measure/0` periodically.

      iex> Quota.Telemetry.measurements()
      [{Quota.Telemetry, :measure, []}]
  """
  @spec measurements :: [{module, atom, list}]
  def measurements, do: [{__MODULE__, :measure, []}]

  @doc """
  Sends the events `[:bounded, :quota, :active]` and, for each pool, `[:bounded, :quota, :pool, :state]`. Sends no message.

      iex> Quota.Telemetry.measure()
      :ok
  """
  @spec measure :: :ok
  def measure do
    if enabled?() do
      Bounded.Telemetry.execute([:bounded, :quota, :active], active(), %{})

      for {name, ledger} <- Ledger.all() do
        figures = ledger |> Ledger.figures() |> Map.take(@figures)
        Bounded.Telemetry.execute(@pool ++ [:state], figures, %{pool: name})
      end
    end

    :ok
  end

  # In batches, because a node may have tens of thousands of quotas.
  defp active(from \\ 0, sum \\ %{count: 0, limit: 0, total: 0}) do
    {quotas, next} = Native.quotas(from)
    sum = Enum.reduce(quotas, sum, &add/2)
    if next, do: active(next, sum), else: sum
  end

  defp add({_pid, _caller, limit, _age, usage, _label}, sum) do
    %{
      count: sum.count + 1,
      limit: sum.limit + limit,
      total: sum.total + Usage.from_tuple(usage).total
    }
  end

  @doc false
  # Decisions of a pool. Returns the time at which a request begins to wait, for the events that follow.
  def queued(pool, label, limit, charged) do
    pool(:queued, %{charged: charged}, %{pool: pool, label: label, limit: limit})
    System.monotonic_time()
  end

  @doc false
  def admitted(pool, label, limit, charged, queued \\ nil) do
    if enabled?() do
      metadata = %{pool: pool, label: label, limit: limit}
      pool(:admitted, %{charged: charged, wait: waited(queued)}, metadata)
    end

    :ok
  end

  @doc false
  def refused(pool, label, limit, charged, reason, queued) do
    metadata = %{pool: pool, label: label, limit: limit, reason: reason}
    pool(:refused, %{charged: charged, wait: waited(queued)}, metadata)
  end

  defp pool(event, measurements, metadata),
    do: Bounded.Telemetry.execute(@pool ++ [event], measurements, metadata)

  defp waited(nil), do: 0
  defp waited(since), do: System.monotonic_time() - since

  @doc false
  # Events of a run with `node:`. `since` is when it began to look for a node, `refusals` how many refused it.
  def cluster(event, options, limit, {since, refusals}, node, metadata) do
    measurements = %{wait: System.monotonic_time() - since, refusals: refusals}

    metadata =
      Map.merge(metadata, %{pool: options.pool, label: options.label, limit: limit, node: node})

    Bounded.Telemetry.execute(@cluster ++ [event], measurements, metadata)
  end

  @doc false
  defdelegate enabled?, to: Bounded.Telemetry

  @doc false
  # Runs `fun` between the events of a run.
  def run(run, fun) do
    metadata = %{
      label: run.options.label,
      limit: run.granted,
      caller: self(),
      pool: run.options.pool,
      telemetry_span_context: make_ref()
    }

    started = System.monotonic_time()
    start = %{system_time: System.system_time(), monotonic_time: started}
    Bounded.Telemetry.execute([:bounded, :quota, :run, :start], start, metadata)

    try do
      fun.(run)
    catch
      kind, reason ->
        failure = %{kind: kind, reason: reason, stacktrace: __STACKTRACE__}
        metadata = Map.merge(metadata, failure)

        Bounded.Telemetry.execute(
          [:bounded, :quota, :run, :exception],
          stopped(run, started),
          metadata
        )

        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        Bounded.Telemetry.execute(
          [:bounded, :quota, :run, :stop],
          stopped(run, started),
          metadata
        )

        result
    end
  end

  defp stopped(run, started) do
    now = System.monotonic_time()
    usage = usage(run.account)
    %{duration: now - started, monotonic_time: now, peak: usage.peak, native: usage.native}
  end

  @doc false
  def soft_limit(pid, caller, account) do
    if enabled?() do
      measurements = account |> usage() |> Map.take([:total, :heap, :binaries, :native, :ets])
      limit = Native.account_limit(account)
      metadata = %{label: label(account), limit: limit, pid: pid, caller: caller}
      Bounded.Telemetry.execute([:bounded, :quota, :soft_limit], measurements, metadata)
    end
  end

  @doc false
  def breach(%ExceededError{} = error, pid, caller, enforced) do
    measurements = Map.take(error.usage, [:total, :peak, :heap, :binaries, :native, :ets])

    Bounded.Telemetry.execute([:bounded, :quota, :breach], measurements, %{
      label: error.label,
      limit: error.limit,
      category: error.category,
      stacktrace: error.stacktrace,
      enforced: enforced,
      pid: pid,
      caller: caller
    })
  end

  @doc false
  def label(account) do
    label = Native.account_label(account)
    label && :erlang.binary_to_term(label)
  end

  defp usage(account), do: account |> Native.account_details() |> Usage.from_tuple()
end
