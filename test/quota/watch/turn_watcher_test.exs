defmodule Quota.Watch.TurnWatcherTest do
  # Alone, because it looks at processes of the node, and measures memory.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Quota.Watch.TurnWatcher

  @mib 1024 * 1024
  @words 2_000_000

  defp run(limit, work), do: Quota.try_run(limit, work, count: [:children], timeout: 30_000)

  # Each makes a tuple of `words` in one call that does not yield, when all have started.
  defp at_once(count, words, test) do
    make = fn i ->
      receive do: (:go -> send(test, {:began, i}))
      tuple = :erlang.make_tuple(words, 0)
      send(test, {:made, i})
      Process.sleep(:infinity)
      tuple
    end

    children = for i <- 1..count, do: spawn(fn -> make.(i) end)
    Enum.each(children, &send(&1, :go))
    children
  end

  defp count(tag, sum) do
    receive do
      {^tag, _} -> count(tag, sum + 1)
    after
      0 -> sum
    end
  end

  test "children that take much in one call each are stopped before most have begun" do
    test = self()

    work = fn ->
      at_once(100, @words, test)
      Process.sleep(:infinity)
    end

    assert {:error, %Quota.ExceededError{category: :heap}} = run(64 * @mib, work)
    assert count(:began, 0) < 50
  end

  test "children whose calls are long, and which stay within the limit, go on" do
    work = fn ->
      at_once(20, div(@words, 10), self())
      for i <- 1..20, do: receive(do: ({:made, ^i} -> :ok))
      :done
    end

    assert run(256 * @mib, work) == {:ok, :done}
  end

  test "nothing is left of children that were polled: no account, and no bytes" do
    for _ <- 1..5 do
      work = fn -> at_once(20, div(@words, 10), self()) end
      assert {:ok, _} = run(256 * @mib, work)
    end

    eventually(fn -> assert {{0, 0, 0, 0, _peak}, 0, 0} = Bounded.Native.node_usage() end, 10_000)
  end

  test "killed watchers are started again by the next guard that counts children" do
    assert run(@mib, fn -> :ok end) == {:ok, :ok}
    eventually(fn -> assert is_pid(Process.whereis(TurnWatcher)) end)
    old = Process.whereis(TurnWatcher)
    Process.exit(old, :kill)

    eventually(fn ->
      assert {:ok, _} = run(@mib, fn -> Process.sleep(5) end)
      assert Process.whereis(TurnWatcher) not in [nil, old]
    end)
  end
end
