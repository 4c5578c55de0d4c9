defmodule Bounded.Test.ClusterNode do
  @moduledoc false
  # What tests of `Quota.Cluster` do on its nodes.

  alias Quota.Cluster.{Protocol, Runner}
  alias Quota.Pool.Overshoot

  @pool Bounded.Test.Shared
  @limit Quota.mib(2)

  def pool, do: @pool
  def limit, do: @limit

  @doc "Bytes that a run of `limit/0` reserves."
  def charge, do: Overshoot.charge(@limit, Overshoot.percent())

  @doc "Starts a pool with room for `count` runs and its cluster. Both stay when the caller ends."
  def serve(count) do
    children = [
      {Quota.Pool, name: @pool, size: count * charge()},
      {Quota.Cluster, pool: @pool}
    ]

    detached(fn ->
      Supervisor.start_link(children, strategy: :one_for_one, max_restarts: 1_000_000)
    end)
  end

  defp detached(start) do
    parent = self()

    spawn(fn ->
      send(parent, {__MODULE__, start.()})
      Process.sleep(:infinity)
    end)

    receive do
      {__MODULE__, {:ok, _pid}} -> :ok
      {__MODULE__, error} -> error
    end
  end

  @doc "Makes a call as a test would, and returns `{:returned, result}` or `{kind, reason}`."
  def attempt(module, function, arguments) do
    {:returned, apply(module, function, arguments)}
  catch
    kind, reason -> {kind, reason}
  end

  @doc "As `Quota.run/3` in the shared pool."
  def run(work, options),
    do: attempt(Quota, :run, [@limit, work, [pool: @pool] ++ options])

  @doc "Starts a run that holds its reservation until `release/1`. Returns its caller when the work has begun."
  def hold(options) do
    parent = self()

    caller =
      spawn(fn ->
        Process.put(__MODULE__, true)
        send(parent, {:held, self(), run({__MODULE__, :held, [parent]}, options)})
      end)

    receive do
      {:holding, worker} -> {caller, worker, node(worker)}
      {:held, ^caller, outcome} -> outcome
    end
  end

  @doc "The work of `hold/1`."
  def held(parent) do
    send(parent, {:holding, self()})
    receive do: (:release -> node())
  end

  @doc "A process that does nothing."
  def idler, do: spawn(Process, :sleep, [:infinity])

  @doc "A run of this node for a process that no longer waits for it, as after a connection that was lost and is back."
  def run_for(caller) do
    request = %{ref: make_ref(), caller: caller, limit: @limit, opts: [pool: @pool], wait: false}
    spawn(Runner, :start, [Protocol.version(), request])
  end

  @doc "Starts callers that hold a reservation each, or wait for one."
  def load(count, options) do
    for _ <- 1..count do
      spawn(fn ->
        Process.put(__MODULE__, true)
        Process.put(:outcome, run({__MODULE__, :held, [self()]}, options))
        Process.sleep(:infinity)
      end)
    end
  end

  @doc "The outcomes of callers of `load/2` that have one."
  def outcomes(callers) do
    for caller <- callers,
        {:dictionary, dictionary} <- [Process.info(caller, :dictionary)],
        {:outcome, outcome} <- dictionary,
        do: outcome
  end

  @doc "Whether the work of a caller of `load/2` has begun: its node counts it as running before that."
  def begun?(caller) do
    {:messages, messages} = Process.info(caller, :messages)
    Enum.any?(messages, &match?({:holding, _worker}, &1))
  end

  def kill(pid), do: Process.exit(pid, :kill)

  @doc "Kills all callers of `hold/1` and `load/2`."
  def release, do: for(pid <- Process.list(), caller?(pid), do: kill(pid))

  defp caller?(pid) do
    with {:dictionary, dictionary} <- Process.info(pid, :dictionary),
         do: Keyword.get(dictionary, __MODULE__, false)
  end

  @doc "Keeps the other nodes from hearing of changes here."
  def silence do
    :sys.suspend(server())
  end

  @doc "Ends `silence/0`."
  def speak, do: :sys.resume(server())

  @doc "Makes this node critically short of memory, as far as its pool knows."
  def short_of_memory do
    measured = :atomics.new(4, signed: true)
    # The level, and the time at which it was measured: it stays fresh for an hour.
    :atomics.put(measured, 1, 2)
    :atomics.put(measured, 2, System.monotonic_time(:millisecond) + 3_600_000)
    :persistent_term.put(Quota.Pressure, {nil, measured})
  end

  @doc "Ends `short_of_memory/0`."
  def enough_memory, do: :persistent_term.erase(Quota.Pressure)

  def crash_server, do: crash(server())
  def crash_scope, do: crash(Process.whereis(Module.concat(Quota.Cluster, @pool)))

  # When this returns, its successor has started.
  defp crash(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
    restarted(pid)
  end

  defp restarted(pid) do
    case :pg.get_local_members(Module.concat(Quota.Cluster, @pool), :pools) do
      [server] when server != pid -> :ok
      _ -> restarted(pid)
    end
  end

  @doc "Source of a protocol of another version."
  def other_version do
    """
    Code.put_compiler_option(:ignore_module_conflict, true)

    defmodule Quota.Cluster.Protocol do
      def version, do: 77
    end
    """
  end

  @doc "The process that keeps the views of this node, or nil while it restarts."
  def server,
    do: List.first(:pg.get_local_members(Module.concat(Quota.Cluster, @pool), :pools))

  @doc "Figures of the pool without its labels."
  def figures, do: Map.delete(Quota.Pool.info(@pool), :by_label)

  @doc "`{node, free}` as this node sees the cluster."
  def views, do: Map.new(Quota.Cluster.info(@pool), &{&1.node, &1.free})

  @doc "Runners, workers and sentinels that are alive here."
  def runners do
    for pid <- Process.list(),
        {:initial_call, {module, _, _}} <- [Process.info(pid, :initial_call)],
        {:current_stacktrace, stack} <- [Process.info(pid, :current_stacktrace)],
        module == Quota.Cluster.Runner or
          Enum.any?(stack, &(elem(&1, 0) == Quota.Cluster.Runner)),
        do: pid
  end

  ## Events

  @doc "Keeps all events from now on, in place of the library `:telemetry`."
  def record_events do
    Code.compile_string("""
    defmodule :telemetry do
      def execute(event, measurements, metadata) do
        send(:telemetry_handler_table, {:event, {event, measurements, metadata}})
        :ok
      end
    end
    """)

    recorder = spawn(fn -> record([]) end)
    true = Process.register(recorder, :telemetry_handler_table)
  end

  defp record(events) do
    receive do
      {:event, event} -> record([event | events])
      {:take, pid} -> give(pid, events, [])
      {:look, pid} -> give(pid, events, events)
    end
  end

  defp give(pid, events, left) do
    send(pid, {:events, Enum.reverse(events)})
    record(left)
  end

  @doc "The events since the last call."
  def recorded_events, do: recorded(:take)

  @doc "The events of that name since the last call of `recorded_events/0`."
  def seen_events(name) do
    for {^name, measurements, metadata} <- recorded(:look),
        do: {List.last(name), measurements, metadata}
  end

  defp recorded(request) do
    send(:telemetry_handler_table, {request, self()})
    receive do: ({:events, events} -> events)
  end

  ## Streams

  defp new_stream(enum, {function, arguments}, options) do
    work = {__MODULE__, function, arguments}
    Quota.Cluster.async_stream(enum, @limit, work, [pool: @pool] ++ options)
  end

  @doc "The results of a stream, and the nodes that had a part in them."
  def stream(enum, work, options) do
    results = enum |> new_stream(work, options) |> Enum.to_list()
    nodes = for {:ok, {_, node}} <- results, uniq: true, do: node
    {Enum.map(results, &without_node/1), Enum.sort(nodes)}
  end

  defp without_node({:ok, {value, _node}}), do: {:ok, value}
  defp without_node(result), do: result

  @doc "The elements that a stream takes when none of them ends, and their number."
  def taken(wait, options) do
    parent = self()
    source = Stream.each(Stream.iterate(1, &(&1 + 1)), &send(parent, {:taken, &1}))
    pid = spawn(fn -> source |> new_stream({:slow_node, [wait]}, options) |> Stream.run() end)
    taken = collect([])
    kill(pid)
    {length(taken), taken}
  end

  # Until nothing has come for a while.
  defp collect(taken) do
    receive do
      {:taken, element} -> collect([element | taken])
    after
      500 -> Enum.reverse(taken)
    end
  end

  @doc "Takes some results of elements that sleep. Returns them, and the messages that are left."
  def take(count, elements), do: with_exits(fn -> elements |> sleepers() |> Enum.take(count) end)

  defp sleepers(elements),
    do: new_stream(elements, {:slow, []}, ordered: false, max_concurrency: 5)

  @doc "A stream whose source raises."
  def bad_source do
    source = Stream.map([5_000, 0], &if(&1 == 0, do: raise("source"), else: &1))
    with_exits(fn -> attempt(Enum, :to_list, [sleepers(source)]) end)
  end

  @doc "Whether the source of a stream was closed."
  def closed_source do
    parent = self()
    source = Stream.resource(fn -> 1 end, &{[&1], &1 + 1}, fn _ -> send(parent, :closed) end)
    [_] = source |> sleepers() |> Enum.take(1)
    raising = Stream.map(source, &if(&1 == 3, do: raise("source"), else: &1))
    {:error, _} = attempt(Enum, :to_list, [sleepers(raising)])
    self() |> Process.info(:messages) |> elem(1) |> Enum.filter(&(&1 == :closed))
  end

  # In a process that traps exits.
  defp with_exits(fun) do
    Task.await(
      Task.async(fn ->
        Process.flag(:trap_exit, true)
        {fun.(), self() |> Process.info(:messages) |> elem(1)}
      end)
    )
  end

  ## Work

  def add(a, b), do: a + b
  def where, do: node()
  def raises(message), do: raise(ArgumentError, message)
  def throws(value), do: throw(value)
  def dies, do: Process.exit(self(), :kill)
  def grow, do: length(Enum.to_list(1..10_000_000))
  def binary(bytes), do: :binary.copy("x", bytes)
  def doubled(bytes), do: List.duplicate(binary(bytes), 2)
  def raises_binary(bytes), do: :erlang.error(doubled(bytes))
  def part(bytes), do: bytes |> binary() |> binary_part(0, 3)

  def family(count) do
    for _ <- 1..count, do: spawn(fn -> Process.sleep(:infinity) end)
    Process.sleep(:infinity)
  end

  def flood do
    for n <- 1..1_000, do: send(self(), n)
    Process.sleep(:infinity)
  end

  def context(keys), do: {Enum.map(keys, &Process.get/1), Logger.metadata()}

  @doc "Runs a call whose `arity` arguments are all the same term, which another call makes."
  def with_argument({module, function, arguments}, {run_module, run_function, arity}, options) do
    argument = apply(module, function, arguments)
    run({run_module, run_function, List.duplicate(argument, arity)}, options)
  end

  def size_of_result(work, options) do
    {:returned, binary} = run(work, options)
    byte_size(binary)
  end

  @doc "Runs a closure."
  def closure(options), do: attempt(Quota, :run, [@limit, fn -> :ran end, options])

  @doc "Makes calls in a new process. Returns their results, and the messages that are left with it."
  def with_mailbox(module, function, calls) do
    Task.await(
      Task.async(fn ->
        outcomes = for arguments <- calls, do: apply(module, function, arguments)
        # What is still on its way.
        Process.sleep(100)
        {outcomes, self() |> Process.info(:messages) |> elem(1)}
      end),
      60_000
    )
  end

  @doc "Makes a call in a new process with that context. Returns the process and the result."
  def with_context(dictionary, metadata, module, function, arguments) do
    Task.await(
      Task.async(fn ->
        for {key, value} <- dictionary, do: Process.put(key, value)
        Logger.metadata(metadata)
        {self(), attempt(module, function, arguments)}
      end)
    )
  end

  def node_and(element) do
    Process.sleep(5)
    {element, node()}
  end

  def fails(2), do: grow()
  def fails(3), do: raises("3")
  def fails(n), do: n

  def slow(ms) do
    Process.sleep(ms)
    ms
  end

  def slow_node(_element, wait), do: slow(wait)
end
