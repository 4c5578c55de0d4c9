defmodule Quota.PoolStressTest do
  # Counts the node's reservations, and processes.
  use ExUnit.Case, async: false

  @moduletag :native_speed

  import Bounded.Eventually

  alias Quota.{Pool, PoolFullError}

  @moduletag :capture_log
  @moduletag timeout: 600_000

  @clients 8

  test "random admissions, deaths, timeouts and restarts of the pool end at zero" do
    storm(3_000)
  end

  @tag :slow
  test "a hundred thousand of them end at zero" do
    storm(100_000)
  end

  defp storm(count) do
    name = :"storm_#{System.unique_integer([:positive])}"

    # On every release as much as one limit of 8 MiB takes: with half of that, what the clients were answered and have not
    # collected yet leaves no room for what they wait for.
    whole = Quota.Pool.Overshoot.charge(Quota.mib(8), Quota.Pool.Overshoot.percent())
    child = {Pool, name: name, size: whole, max_waiting: @clients}

    start_supervised!(%{
      id: :storm,
      type: :supervisor,
      start:
        {Supervisor, :start_link, [[child], [strategy: :one_for_one, max_restarts: 1_000_000]]}
    })

    chaos = spawn_link(fn -> chaos(name, Pool.info(name).size) end)

    outcomes =
      1..@clients
      |> Enum.map(fn seed ->
        Task.async(fn ->
          :rand.seed(:exsss, {seed, count, 7})
          for _ <- 1..div(count, @clients), do: once(name)
        end)
      end)
      |> Task.await_many(:infinity)
      |> List.flatten()
      |> Enum.frequencies()

    Process.unlink(chaos)
    Process.exit(chaos, :kill)

    # Every way to end has been met.
    for outcome <- [
          :done,
          :raised,
          :thrown,
          :killed,
          :breached,
          :timed_out,
          :orphan,
          :left_children,
          :abandoned,
          :full
        ] do
      assert Map.get(outcomes, outcome, 0) > 0, "no #{outcome} in #{inspect(outcomes)}"
    end

    eventually(
      fn ->
        :erlang.garbage_collect()

        assert %{
                 reserved: 0,
                 orphaned: 0,
                 running: 0,
                 waiting: 0,
                 by_label: [],
                 peak: peak,
                 size: size
               } = Pool.info(name)

        assert peak <= size
      end,
      10_000
    )

    assert Quota.run(Quota.mib(8), fn -> :whole end, pool: name) == :whole
  end

  # Kills the pool's process every few milliseconds. Its reservations never exceed its size at any time.
  defp chaos(name, size) do
    assert Pool.info(name).reserved <= size

    receive do
    after
      60 ->
        if pid = Process.whereis(name), do: Process.exit(pid, :kill)
        chaos(name, size)
    end
  end

  defp once(name) do
    limit = Quota.kib(64) * :rand.uniform(48)
    kind = :rand.uniform(12)

    options = [
      pool: name,
      pool_timeout: Enum.random([0, 2, 500, 500, 500, 500]),
      label: Enum.random([nil, :feed, "import"])
    ]

    try do
      act(kind, limit, options)
    rescue
      error in PoolFullError -> error.reason
      Quota.ExceededError -> :breached
      Quota.TimeoutError -> :timed_out
      RuntimeError -> :raised
    catch
      :throw, :ball -> :thrown
      :exit, {:killed, _} -> :killed
    end
  end

  defp act(1, limit, options), do: Quota.run(limit, fn -> raise "boom" end, options)
  defp act(2, limit, options), do: Quota.run(limit, fn -> throw(:ball) end, options)

  defp act(3, limit, options),
    do: Quota.run(limit, fn -> Process.exit(self(), :kill) end, options)

  defp act(4, _limit, options),
    do: Quota.run(Quota.kib(64), fn -> Enum.to_list(1..100_000) end, options)

  defp act(5, limit, options) do
    Quota.run(limit, fn -> Process.sleep(:infinity) end, [timeout: 1] ++ options)
  end

  # What is returned outlives the work, until it is collected.
  defp act(6, limit, options) do
    limit = max(limit, Quota.mib(2))
    binary = Quota.run(limit, fn -> BoundedBinary.copy(:binary.copy("x", 600_000)) end, options)
    600_000 = byte_size(binary)
    :orphan
  end

  # The caller is killed while it waits or while its work runs.
  defp act(7, limit, options) do
    {caller, monitor} =
      spawn_monitor(fn ->
        Quota.try_run(
          limit,
          fn -> Process.sleep(:infinity) end,
          Keyword.put(options, :pool_timeout, 5)
        )
      end)

    if :rand.uniform(2) == 1, do: :erlang.yield()
    Process.exit(caller, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :abandoned)
  end

  # The children are killed after their parent has ended.
  defp act(8, limit, options) do
    work = fn ->
      spawn(fn -> Process.sleep(:infinity) end)
      :left_children
    end

    Quota.run(limit, work, [count: [:children]] ++ options)
  end

  defp act(_, limit, options), do: Quota.run(limit, fn -> :done end, options)
end
