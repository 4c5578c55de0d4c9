defmodule Bench.Innocent.Kinds.Processes do
  # Messages, other processes, tables, and the ways a limit is put on work.

  import Bench.Innocent.{Kind, Work}

  @large 64 * 1_048_576
  @small 24 * 1_048_576

  def kinds, do: messages() ++ counted() ++ limits()

  defp messages do
    [
      kind("1000 calls of a server", fn ->
        {:ok, agent} = Agent.start_link(fn -> 0 end)
        for _ <- 1..1_000, do: Agent.update(agent, &(&1 + 1))
        Agent.stop(agent)
      end),
      kind("50 messages of 64 KB that wait, and are received", fn -> exchanged(:on_heap) end),
      kind("50 messages of 64 KB that wait off the heap, and are received", fn ->
        Process.flag(:message_queue_data, :off_heap)
        exchanged(:off_heap)
      end),
      kind("1000 timers", fn ->
        for i <- 1..1_000, do: Process.send_after(self(), {:timer, i}, 1)
        for _ <- 1..1_000, do: receive(do: ({:timer, _} -> :ok))
      end)
    ]
  end

  defp counted do
    [
      kind(
        "8 counted children with 2 MB each",
        [limit: @large, options: [count: [:children]]],
        fn ->
          tasks = for _ <- 1..8, do: Task.async(fn -> length(Enum.to_list(1..125_000)) end)
          Task.await_many(tasks)
        end
      ),
      kind(
        "500 counted children, one after the other",
        [options: [count: [:children]]],
        fn ->
          for _ <- 1..500, do: Task.await(Task.async(fn -> :ok end))
        end
      ),
      kind(
        "Task.async_stream of 200, counted",
        [options: [count: [:children]]],
        fn ->
          1..200 |> Task.async_stream(&length(Enum.to_list(1..(&1 * 10)))) |> Enum.count()
        end
      ),
      # More than a third of the limit: figures of two of them are enough to pass it.
      kind(
        "4 counted children that take two thirds of the limit in turns",
        [limit: @small, options: [count: [:children]]],
        fn -> in_turns(4) end
      ),
      kind("a counted table of 5 MB", [options: [count: [:ets]]], fn ->
        table = :ets.new(:rows, [])
        for i <- 1..30_000, do: :ets.insert(table, {i, "a row", :erlang.make_tuple(10, i)})
        :ets.delete(table)
      end),
      kind(
        "a counted public table with 4 binaries of 1 MB",
        [options: [count: [:ets]]],
        fn ->
          table = :ets.new(:rows, [:public])
          for i <- 1..4, do: :ets.insert(table, {i, :binary.copy(<<1>>, 1_000_000)})
          for _ <- 1..10, i <- 1..4, do: drop(:ets.lookup_element(table, i, 2))
        end
      )
    ]
  end

  defp limits do
    [
      kind("a quota in a quota in a quota", [limit: @large], fn ->
        Quota.run(Quota.mib(48), fn ->
          Quota.run(Quota.mib(32), fn -> length(Enum.to_list(1..400_000)) end)
        end)
      end),
      kind(
        "a process that limits itself, 40 references and a file",
        [via: :put_limit],
        fn ->
          references_and_file()
        end
      ),
      kind(
        "requests to a server that limits itself",
        [limit: @large, via: :server],
        fn ->
          list = Enum.to_list(1..400_000)
          for _ <- 1..10, do: drop(:binary.copy(<<1>>, 5_000_000))
          length(list)
        end
      ),
      kind("observed: 40 references and a file", [options: [mode: :observe]], fn ->
        references_and_file()
      end),
      kind(
        "in a pool",
        [limit: @large, setup: &pool/0, options: [pool: __MODULE__]],
        fn ->
          length(Enum.to_list(1..400_000))
        end
      ),
      kind(
        "with a queue limit and a soft limit",
        [options: [max_queue: 100, soft_limit: 8 * 1_048_576]],
        fn -> exchanged(:on_heap) end
      )
    ]
  end

  # Each collects before the next begins.
  defp in_turns(count) do
    work = self()
    children = for _ <- 1..count, do: spawn_link(fn -> take_turns(work) end)

    for _ <- 1..3, child <- children do
      send(child, :take)
      receive do: (:given_back -> :ok)
    end

    for child <- children, do: send(child, :stop)
  end

  defp take_turns(work) do
    receive do
      :take ->
        drop(:erlang.make_tuple(2_000_000, 0))
        :erlang.garbage_collect()
        send(work, :given_back)
        take_turns(work)

      :stop ->
        :ok
    end
  end

  defp exchanged(_where) do
    work = self()
    spawn(fn -> for _ <- 1..50, do: send(work, {:part, Enum.to_list(1..4_000)}) end)
    for _ <- 1..50, do: receive(do: ({:part, list} -> length(list)))
  end

  defp pool do
    {:ok, pid} = Quota.Pool.start_link(name: __MODULE__, size: Quota.mib(256))
    pid
  end
end
