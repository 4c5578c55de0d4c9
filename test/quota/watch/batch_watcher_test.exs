defmodule Quota.Watch.BatchWatcherTest do
  # Many processes that count towards one quota.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Bounded.Native
  alias Quota.Watch.ProcessStats

  @mib 1024 * 1024
  @many 100

  defp list_keeper(bytes) do
    fn ->
      kept = Enum.to_list(1..div(bytes, 16))
      Process.sleep(:infinity)
      kept
    end
  end

  defp run(limit, work), do: Quota.try_run(limit, work, count: [:children], timeout: 30_000)

  test "what all of them hold is the work's" do
    work = fn ->
      for _ <- 1..@many, do: spawn(list_keeper(64 * 1024))
      eventually(fn -> assert Quota.usage().heap > @many * 64 * 1024 end)
      :done
    end

    assert run(64 * @mib, work) == {:ok, :done}
  end

  test "when it is too much, all of them die with the work" do
    test = self()

    work = fn ->
      children = for _ <- 1..@many, do: spawn(list_keeper(@mib))
      send(test, {:children, children})
      Process.sleep(:infinity)
    end

    assert {:error, %Quota.ExceededError{category: :heap}} = run(32 * @mib, work)
    assert_receive {:children, children}
    eventually(fn -> refute Enum.any?(children, &Process.alive?/1) end)
  end

  test "one that is always at work among many that wait counts as well" do
    work = fn ->
      for _ <- 1..@many, do: spawn(fn -> Process.sleep(:infinity) end)
      spawn(fn -> grow([]) end)
      Process.sleep(:infinity)
    end

    assert {:error, %Quota.ExceededError{category: :heap}} = run(32 * @mib, work)
  end

  test "those that have ended are forgotten" do
    work = fn ->
      {account, _} = Native.own_account()
      for _ <- 1..@many, do: spawn(fn -> Process.sleep(:infinity) end)

      eventually(fn ->
        assert length(Native.account_children(account, 0, false) |> elem(0)) == @many
      end)

      for {pid, _} <- elem(Native.account_children(account, 0, false), 0),
          do: Process.exit(pid, :kill)

      eventually(fn -> assert Native.account_children(account, 0, false) |> elem(0) == [] end)
      :done
    end

    assert run(64 * @mib, work) == {:ok, :done}
  end

  @tag :native_speed
  test "a thousand that begin together are seen before they are far over" do
    work = fn ->
      for _ <- 1..1_000, do: spawn(list_keeper(@mib))
      Process.sleep(:infinity)
    end

    assert {:error, error} = run(32 * @mib, work)
    assert error.usage.total < 64 * @mib
  end

  test "a glance sees what asking sees, and does not wait for one that runs" do
    test = self()

    pid =
      spawn_link(fn ->
        kept = Enum.to_list(1..100_000)
        send(test, :ready)
        Process.sleep(:infinity)
        kept
      end)

    assert_receive :ready

    eventually(fn ->
      {heap, binaries, _, _} = ProcessStats.of(pid)
      assert ProcessStats.glance(pid) == {heap, binaries}
    end)

    assert ProcessStats.glance(self()) == :runs
    ref = Process.monitor(pid)
    Process.unlink(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^ref, _, _, _}
    assert ProcessStats.glance(pid) == nil
  end

  defp grow(kept), do: grow([kept | List.duplicate(0, 100)])
end
