Code.require_file("tree.ex", __DIR__)

defmodule Examples.Supervisors.TreeTest do
  # The pool has one name.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  alias Examples.Supervisors.{Tree, Worker}

  @moduletag :capture_log

  test "a worker over its limit comes back, with its limit, and the pool's figures are right" do
    start_supervised!({Tree, worker: :worker_of_the_recipe})
    assert Worker.collect(:worker_of_the_recipe, 100) == 100
    assert %{running: 1} = Quota.Pool.info(Tree.pool())
    first = Process.whereis(:worker_of_the_recipe)
    catch_exit(Worker.collect(:worker_of_the_recipe, 3_000_000))

    eventually(fn ->
      pid = Process.whereis(:worker_of_the_recipe)
      assert is_pid(pid) and pid != first
      assert Enum.any?(Quota.list(), &(&1.pid == pid))
    end)

    assert Worker.collect(:worker_of_the_recipe, 100) == 100
    eventually(fn -> assert %{running: 1} = Quota.Pool.info(Tree.pool()) end)
  end

  test "where the pool has no room, the worker does not start, with the reason" do
    start_supervised!({Quota.Pool, name: __MODULE__.Full, size: Quota.mib(16)})
    test = self()

    holder =
      Task.async(fn ->
        Quota.run(
          Quota.mib(8),
          fn ->
            send(test, :held)
            receive do: (:go -> :ok)
          end,
          pool: __MODULE__.Full
        )
      end)

    assert_receive :held, 5_000

    assert {:error, {%Quota.PoolFullError{label: "worker"}, _}} =
             start_supervised({Worker, name: :another, pool: __MODULE__.Full})

    Task.shutdown(holder, :brutal_kill)
  end
end
