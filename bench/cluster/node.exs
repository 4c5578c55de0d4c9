# What runs on each node of `bench/cluster.exs`. It is loaded there by the VM that measures.
defmodule Bench.Cluster.Node do
  @pool Bench.Shared

  def serve(size) do
    children = [{Quota.Pool, name: @pool, size: size}, {Quota.Cluster, pool: @pool}]
    parent = self()

    spawn(fn ->
      send(parent, Supervisor.start_link(children, strategy: :one_for_one))
      Process.sleep(:infinity)
    end)

    receive do
      {:ok, _pid} -> :ok
      error -> error
    end
  end

  def info, do: Map.delete(Quota.Pool.info(@pool), :by_label)

  @doc "Free bytes of each node, as this one sees them."
  def views, do: Map.new(Quota.Cluster.info(@pool), &{&1.node, &1.free})

  @doc "Starts callers of work that holds `bytes` until the caller is killed."
  def wait(count, limit, bytes, node) do
    options = [pool: @pool, node: node, pool_timeout: :infinity]

    for _ <- 1..count,
        do: spawn(fn -> Quota.run(limit, {__MODULE__, :hold, [bytes]}, options) end)
  end

  def hold(bytes) do
    kept = <<0::size(bytes)-unit(8)>>
    Process.sleep(:infinity)
    byte_size(kept)
  end

  def kill(pids), do: Enum.each(pids, &Process.exit(&1, :kill))

  @doc "Clients that run short work for so long. Returns the number of each outcome, and the messages that are left with clients."
  def load(clients, ms, limit, bytes) do
    until = now() + ms

    tasks =
      for _ <- 1..clients do
        Task.async(fn ->
          outcomes = client(until, limit, bytes, %{})
          Process.sleep(500)
          {outcomes, self() |> Process.info(:message_queue_len) |> elem(1)}
        end)
      end

    results = Task.await_many(tasks, :infinity)

    outcomes =
      for {outcomes, _} <- results,
          reduce: %{},
          do: (sum -> Map.merge(sum, outcomes, fn _, a, b -> a + b end))

    {outcomes, results |> Enum.map(&elem(&1, 1)) |> Enum.sum()}
  end

  defp client(until, limit, bytes, outcomes) do
    if now() >= until do
      outcomes
    else
      options = [pool: @pool, node: :any, pool_timeout: 10_000]
      outcome = outcome(limit, {__MODULE__, :work, [bytes, 100]}, options)
      client(until, limit, bytes, Map.update(outcomes, outcome, 1, &(&1 + 1)))
    end
  end

  defp outcome(limit, work, options) do
    {:ran, Quota.run(limit, work, options)}
  rescue
    error -> error.__struct__
  catch
    :exit, reason -> reason
  end

  def work(bytes, ms) do
    kept = <<0::size(bytes)-unit(8)>>
    Process.sleep(ms)
    if byte_size(kept) == bytes, do: node()
  end

  @doc "Calls one node for work that never ends. Returns how long it took to learn that the node was lost, in milliseconds."
  def lose(node, limit) do
    started = now()

    try do
      Quota.run(limit, {Process, :sleep, [:infinity]}, pool: @pool, node: node)
    catch
      :exit, {:nodedown, ^node} -> now() - started
    end
  end

  @doc "Microseconds of a placement on `node`: the whole call, and a call by `:erpc`. Medians of `rounds`."
  def round_trips(node, limit, rounds) do
    run = fn -> Quota.run(limit, {:erlang, :node, []}, pool: @pool, node: node) end
    ask = fn -> ask(node, limit) end
    erpc = fn -> :erpc.call(node, :erlang, :node, []) end
    for {name, call} <- [run: run, ask: ask, erpc: erpc], do: {name, median(call, rounds)}
  end

  # The admission alone.
  defp ask(node, limit) do
    attempt = Quota.Cluster.Attempt.start(node, limit, [pool: @pool], false)
    {:admitted, attempt} = Quota.Cluster.Attempt.answer(attempt)
    Quota.Cluster.Attempt.cancel(attempt)
  end

  defp median(call, rounds) do
    times = for _ <- 1..rounds, do: call |> :timer.tc() |> elem(0)
    times |> Enum.sort() |> Enum.at(div(rounds, 2))
  end

  defp now, do: System.monotonic_time(:millisecond)
end
