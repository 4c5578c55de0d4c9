defmodule Quota.CallsTest do
  # Measures calls of the whole node, with as many quotas as a large one has.
  use ExUnit.Case, async: false

  @moduletag :native_speed

  import Bounded.Eventually
  alias Bounded.Native
  alias Bounded.Test.Calls

  @limit_ns 1_000_000
  @quotas 10_000
  @children 9_000

  # The longest call of all that the VM and this library make while `work` runs, of quotas, guards and pools.
  defp check(name, work) do
    once = fn ->
      Calls.once(fn ->
        work.()
        :ok
      end)
    end

    %{calls: calls, longest: longest} = Calls.measure(once)

    IO.puts(
      "#{name}: the longest of #{calls} NIF calls took #{div(longest, 1_000)} us of CPU time"
    )

    assert calls > 0 and longest < @limit_ns
  end

  # Quotas of processes that wait, each with a label of its own, in a pool.
  defp quotas(pool) do
    test = self()

    work = fn ->
      send(test, :at_work)
      Process.sleep(:infinity)
    end

    callers =
      for n <- 1..@quotas do
        spawn(fn -> Quota.run(Quota.kib(64), work, pool: pool, label: {:quota, n}) end)
      end

    for _ <- 1..@quotas, do: assert_receive(:at_work, 60_000)
    callers
  end

  @tag timeout: 300_000
  test "no call takes a millisecond on a node of 10,000 quotas" do
    pool = Quota.CallsTest.Pool
    {:ok, _} = Quota.Pool.start_link(name: pool, size: @quotas * Quota.kib(128))
    callers = quotas(pool)
    assert length(Quota.list()) >= @quotas
    assert length(Quota.Pool.info(pool).by_label) == @quotas

    check("listing 10,000 quotas", fn -> Quota.list() end)
    check("a pool of 10,000 labels", fn -> Quota.Pool.info(pool) end)

    check("runs beside 10,000 quotas", fn ->
      for n <- 1..100, do: Quota.run(Quota.mib(1), fn -> Process.sleep(1) end, label: n)
      label = {:largest, :binary.copy("x", 60 * 1024)}
      Quota.run(Quota.mib(1), fn -> Quota.usage() end, label: label)
    end)

    check("a limit of a process", fn ->
      limited = fn ->
        Quota.put_limit(Quota.mib(8), label: :one)
        Quota.delete_limit()
      end

      limited |> Task.async() |> Task.await()
    end)

    # Their callers are gone, so whoever sees to work without a guard looks at all of them.
    check("callers that die", fn ->
      Enum.each(callers, &Process.exit(&1, :kill))
      eventually(fn -> assert Quota.Pool.info(pool).running == 0 end, 60_000)
    end)
  end

  @tag timeout: 120_000
  test "nor with 9,000 processes that count towards one" do
    check("9,000 children", fn ->
      Quota.run(
        Quota.gib(1),
        fn ->
          for _ <- 1..@children, do: spawn(fn -> Process.sleep(:infinity) end)
          {account, _} = Native.own_account()
          Quota.Watch.Children.prune(account)
          Process.sleep(100)
        end,
        count: [:children]
      )
    end)

    check("too many children", fn ->
      {:error, %{category: :children}} =
        Quota.try_run(
          Quota.gib(1),
          fn -> for(_ <- 1..100_000, do: spawn(fn -> Process.sleep(:infinity) end)) end,
          count: [:children, :ets],
          max_children: 5_000
        )
    end)
  end
end
