defmodule Bench.Escapes.Rows.Children do
  # Processes that the work starts.

  import Bench.Escapes.{Data, Row}

  @counted [count: [:children]]

  def rows, do: growing() ++ idle_ones() ++ uncounted()

  defp growing do
    [
      row("40 counted children with 40 MB each", 1.7, [options: @counted], fn -> lists(40) end),
      row(
        "100 counted children with :erlang.make_tuple of 16 MB each",
        3.2,
        [
          options: @counted,
          why:
            "5 that pass the limit, one that another scheduler is making, and the copies of two collections: 1.93; and what is made until they have ended; such calls are not interrupted"
        ],
        fn ->
          at_once(100, fn -> :erlang.make_tuple(opaque(2_000_000), 0) end)
        end
      ),
      row("2 counted children at priority :max, binaries", 2.0, [options: @counted], fn ->
        at_once(2, &at_max/0)
      end),
      row("4 counted children at priority :max, binaries", 2.0, [options: @counted], fn ->
        at_once(4, &at_max/0)
      end),
      row("2 counted children at priority :max, lists", 2.0, [options: @counted], fn ->
        at_once(2, fn ->
          Process.flag(:priority, :max)
          Enum.to_list(1..50_000_000)
        end)
      end),
      row("a counted Agent with a list of 160 MB", 2.0, [options: @counted], fn ->
        {:ok, agent} = Agent.start_link(fn -> [] end)
        filled(agent)
      end),
      row(
        "a counted child that spawns one that spawns one, with lists",
        2.0,
        [options: @counted],
        fn ->
          spawn(fn -> spawn(fn -> spawn(fn -> hold(Enum.to_list(1..8_000_000)) end) end) end)
          idle()
        end
      )
    ]
  end

  defp idle_ones do
    [
      row("100,000 idle counted children", 3.0, [options: @counted], fn ->
        for _ <- 1..100_000, do: spawn(&sleep/0)
        :ok
      end),
      row("a fork bomb: idle counted children without end", 3.0, [options: @counted], fn ->
        bomb()
      end),
      row(
        "a fork bomb: every counted child spawns two",
        3.0,
        [
          options: @counted,
          why: "reaches 5.6: the children double faster than those known are killed"
        ],
        fn ->
          doubling()
          idle()
        end
      )
    ]
  end

  defp uncounted do
    [
      row(
        "40 children with 40 MB each, not counted",
        30.0,
        [why: "as much as they take; count: [:children]", counted: false, ends: :returns],
        fn ->
          lists(40)
        end
      ),
      row(
        "100,000 idle children, not counted",
        6.0,
        [
          why: "2.6 KB each; count: [:children] bounds their number",
          counted: false,
          ends: :returns
        ],
        fn ->
          for _ <- 1..100_000, do: spawn(&sleep/0)
          :ok
        end
      ),
      row(
        "an Agent that a supervisor outside has started",
        12.5,
        [
          why: "as much as it takes; Quota.attach/1 counts it",
          counted: false,
          ends: :returns,
          options: @counted,
          prepare: fn ->
            {:ok, supervisor} = DynamicSupervisor.start_link([])
            supervisor
          end
        ],
        fn supervisor ->
          {:ok, agent} = DynamicSupervisor.start_child(supervisor, {Agent, fn -> [] end})
          filled(agent)
        end
      )
    ]
  end

  defp lists(count) do
    tasks =
      for _ <- 1..count do
        Task.async(fn ->
          list = Enum.to_list(1..2_000_000)
          Process.sleep(500)
          length(list)
        end)
      end

    tasks |> Task.await_many(30_000) |> length()
  end

  # Each begins when all have started.
  defp at_once(count, work) do
    children = for _ <- 1..count, do: spawn(fn -> receive(do: (:go -> hold(work.()))) end)
    for child <- children, do: send(child, :go)
    Process.sleep(3_000)
  end

  defp hold(term) do
    idle()
    term
  end

  defp at_max do
    Process.flag(:priority, :max)
    megabytes(1_000)
  end

  defp filled(agent) do
    for _ <- 1..100,
        do: Agent.update(agent, fn lists -> [Enum.to_list(1..100_000) | lists] end, 30_000)

    :ok
  end

  defp sleep, do: Process.sleep(3_000)

  defp bomb do
    spawn(&idle/0)
    bomb()
  end

  defp doubling do
    for _ <- 1..2, do: spawn(fn -> doubling() && idle() end)
  end
end
