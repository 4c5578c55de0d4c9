defmodule Bounded.Test.ClusterRandom do
  @moduledoc false
  # Random operations on a node of a cluster: runs anywhere, of all kinds, callers that are killed, processes that are delayed or
  # crash, connections that are cut.

  alias Bounded.Test.ClusterNode
  alias Bounded.Vm
  alias Quota.{ExceededError, PoolFullError, TimeoutError}
  alias Quota.Pool.Overshoot

  @works __MODULE__.Works

  @doc "Keeps the table of the works that run here."
  def prepare do
    parent = self()

    spawn(fn ->
      :ets.new(@works, [:named_table, :public, write_concurrency: true])
      send(parent, :prepared)
      Process.sleep(:infinity)
    end)

    receive do: (:prepared -> :ok)
  end

  @doc """
  Makes `count` operations in each of `drivers` processes, among `nodes`. Returns the number of each outcome, those that nobody
  expects, and the largest number of bytes that works held at one moment.
  """
  def operate(seed, drivers, count, nodes, cuts) do
    watcher = Task.async(fn -> watch(0) end)

    drivers =
      for n <- 1..drivers do
        Task.async(fn ->
          :rand.seed(:exsss, {seed, n, 1})
          outcomes = for _ <- 1..count, do: operation(:rand.uniform(1_000), nodes, cuts)
          {outcomes, messages_left()}
        end)
      end

    results = Task.await_many(drivers, :infinity)
    send(watcher.pid, :enough)
    outcomes = Enum.flat_map(results, &elem(&1, 0))

    %{
      outcomes: Enum.frequencies(for({kind, nil} <- outcomes, do: kind)),
      unexpected: for({_, unexpected} when unexpected != nil <- outcomes, do: unexpected),
      messages: Enum.flat_map(results, &elem(&1, 1)),
      held: Task.await(watcher, :infinity)
    }
  end

  # Those that are on their way arrive first.
  defp messages_left do
    Process.sleep(200)
    self() |> Process.info(:messages) |> elem(1)
  end

  # All that are alive were alive together, when the table was read: a process starts once.
  defp watch(most) do
    held =
      for {pid, bytes} <- :ets.tab2list(@works), alive?(pid), reduce: 0, do: (sum -> sum + bytes)

    receive do
      :enough -> max(held, most)
    after
      2 -> watch(max(held, most))
    end
  end

  defp alive?(pid) do
    alive = Process.alive?(pid)
    unless alive, do: :ets.delete(@works, pid)
    alive
  end

  ## Operations

  defp operation(n, nodes, _cuts) when n <= 850, do: run(nodes)
  defp operation(n, nodes, _cuts) when n <= 930, do: killed_caller(nodes)
  defp operation(n, _nodes, _cuts) when n <= 960, do: delay(:server)
  defp operation(n, _nodes, _cuts) when n <= 980, do: delay(:runner)
  defp operation(n, nodes, _cuts) when n <= 988, do: stream(nodes)
  defp operation(n, _nodes, _cuts) when n <= 992, do: crash(&ClusterNode.server/0)
  defp operation(n, _nodes, _cuts) when n <= 994, do: crash(&pool/0)
  defp operation(n, _nodes, _cuts) when n <= 995, do: crash(&scope/0)
  defp operation(_n, nodes, true), do: cut(nodes)
  defp operation(_n, nodes, false), do: run(nodes)

  defp pool, do: Process.whereis(ClusterNode.pool())
  defp scope, do: Process.whereis(Module.concat(Quota.Cluster, ClusterNode.pool()))

  defp run(nodes) do
    limit = Quota.kib(64) + :rand.uniform(Quota.mib(2))
    {work, expected} = work(limit)
    options = [pool: ClusterNode.pool(), timeout: 5_000] ++ node_option(nodes) ++ wait()
    judge(ClusterNode.attempt(Quota, :run, [limit, work, options]), expected)
  end

  defp node_option(nodes) do
    case :rand.uniform(10) do
      n when n <= 5 -> [node: :any]
      n when n <= 7 -> [node: Enum.random(nodes)]
      8 -> [node: Enum.take_random(nodes, 2)]
      9 -> [node: :any, retry: :safe]
      10 -> []
    end
  end

  defp wait do
    case :rand.uniform(4) do
      1 -> [pool_timeout: :rand.uniform(50)]
      2 -> [pool_timeout: 2_000]
      _ -> []
    end
  end

  # What it does, and what comes of it.
  defp work(limit) do
    charge = Overshoot.charge(limit, Overshoot.percent())

    case :rand.uniform(20) do
      1 -> {{__MODULE__, :fails, [charge]}, {:error, %RuntimeError{message: "fails"}}}
      2 -> {{__MODULE__, :grows, [charge]}, :exceeded}
      3 -> {{__MODULE__, :dies, [charge]}, :killed}
      _ -> {{__MODULE__, :works, [charge, :rand.uniform(5) - 1, :done]}, {:returned, :done}}
    end
  end

  defp judge(outcome, outcome), do: {elem(outcome, 0), nil}
  defp judge({:error, %ExceededError{}}, :exceeded), do: {:exceeded, nil}
  defp judge({:error, %PoolFullError{}}, _), do: {:refused, nil}
  # The machine may be that slow.
  defp judge({:error, %TimeoutError{}}, _), do: {:timed_out, nil}
  defp judge({:exit, {:nodedown, node}}, _) when node != node(), do: {:lost, nil}
  defp judge({:exit, {:killed, {Quota, :run, _}}}, :killed), do: {:killed, nil}
  defp judge(outcome, expected), do: {:unexpected, {outcome, expected}}

  defp killed_caller(nodes) do
    {caller, monitor} = spawn_monitor(fn -> run(nodes) end)
    busy(:rand.uniform(2_000))
    Process.exit(caller, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> {:killed_caller, nil})
  end

  defp delay(:server) do
    server = ClusterNode.server()
    if server, do: spawn(fn -> suspend(server) end)
    {:delayed, nil}
  end

  defp delay(:runner) do
    runner = Enum.random([nil | runners()])
    if runner && Vm.resumes?(), do: spawn(fn -> suspend_process(runner) end)
    {:delayed, nil}
  end

  defp suspend(server) do
    :sys.suspend(server)
    Process.sleep(:rand.uniform(150))
    :sys.resume(server)
  catch
    # It has ended meanwhile.
    :exit, _ -> :ok
  end

  defp suspend_process(runner) do
    :erlang.suspend_process(runner)
    Process.sleep(:rand.uniform(150))
    :erlang.resume_process(runner)
  rescue
    # It has ended meanwhile.
    ArgumentError -> :ok
  end

  defp runners do
    for pid <- Process.list(),
        {:initial_call, {Quota.Cluster.Runner, _, _}} <- [Process.info(pid, :initial_call)],
        do: pid
  end

  defp crash(find) do
    with pid when is_pid(pid) <- find.(), do: Process.exit(pid, :kill)
    {:crashed, nil}
  end

  defp cut(nodes) do
    case Enum.random(nodes -- [node()]) do
      nil -> :ok
      node -> :erlang.disconnect_node(node)
    end

    {:cut, nil}
  end

  defp stream(nodes) do
    options = [pool: ClusterNode.pool(), pool_timeout: 2_000] ++ node_option(nodes)

    1..5
    |> Quota.Cluster.async_stream(Quota.mib(1), {__MODULE__, :element, []}, options)
    |> Stream.with_index(1)
    |> Enum.take(:rand.uniform(5))
    |> Enum.map(fn
      {{:ok, n}, n} -> {:streamed, nil}
      {{:error, error}, _} -> judge({:error, error}, :streamed)
      {{:exit, reason}, _} -> judge({:exit, reason}, :streamed)
    end)
    |> Enum.find({:streamed, nil}, &elem(&1, 1))
  end

  defp busy(microseconds) do
    until = System.monotonic_time(:microsecond) + microseconds
    busy_until(until)
  end

  defp busy_until(until),
    do: if(System.monotonic_time(:microsecond) < until, do: busy_until(until), else: :ok)

  ## Works

  defp holds(bytes), do: :ets.insert(@works, {self(), bytes})

  def element(n), do: works(Overshoot.charge(Quota.mib(1), Overshoot.percent()), 1, n)

  def works(bytes, ms, result) do
    holds(bytes)
    Process.sleep(ms)
    result
  end

  def fails(bytes) do
    holds(bytes)
    raise "fails"
  end

  def grows(bytes) do
    holds(bytes)
    length(Enum.to_list(1..3_000_000))
  end

  def dies(bytes) do
    holds(bytes)
    Process.exit(self(), :kill)
  end
end
