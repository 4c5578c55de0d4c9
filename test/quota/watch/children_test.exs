defmodule Quota.ChildrenTest do
  # Processes that count towards a quota, by their number, and what looking at them costs.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Bounded.Native
  alias Quota.Watch.{Children, Tracer}

  @mib 1024 * 1024

  defp idle, do: spawn(fn -> Process.sleep(:infinity) end)

  defp run(limit, work, opts \\ []),
    do: Quota.try_run(limit, work, [count: [:children], timeout: 60_000] ++ opts)

  test "a fork bomb is stopped by the number of its processes" do
    test = self()

    work = fn ->
      send(test, {:work, self()})
      bomb()
    end

    assert {:error, %Quota.ExceededError{category: :children} = error} =
             run(64 * @mib, work, max_children: 100)

    assert Exception.message(error) =~ "max_children"
    assert_received {:work, pid}
    # No process that it has started is alive.
    eventually(fn ->
      for child <- Process.list(),
          {:dictionary, dictionary} <- [Process.info(child, :dictionary)],
          do: refute(dictionary[:bomb] == pid)
    end)
  end

  defp bomb do
    work = self()

    spawn(fn ->
      Process.put(:bomb, work)
      Process.sleep(:infinity)
    end)

    bomb()
  end

  @tag :native_speed
  test "so is one whose processes start others" do
    assert {:error, %Quota.ExceededError{category: :children}} =
             run(64 * @mib, &branch/0, max_children: 200)
  end

  defp branch do
    spawn(&branch/0)
    branch()
  end

  @tag :native_speed
  test "as many as allowed pass, at once and one after the other" do
    work = fn ->
      for _ <- 1..50, do: idle()

      # Dead ones do not count, though many more than allowed. One that has answered may live a little longer.
      for n <- 1..5_000, do: Task.await(Task.async(fn -> n end))
      :done
    end

    assert run(64 * @mib, work, max_children: 1_000) == {:ok, :done}
    assert run(64 * @mib, fn -> :done end, max_children: 0) == {:ok, :done}

    assert {:error, %{category: :children}} =
             run(64 * @mib, fn -> [idle(), Process.sleep(5_000)] end, max_children: 0)
  end

  test "only observed, they go on, and there is one breach" do
    work = fn ->
      for _ <- 1..20, do: idle()
      {account, _} = Native.own_account()
      eventually(fn -> assert {:children, _, _} = Native.account_cause(account) end)
      :done
    end

    assert run(64 * @mib, work, max_children: 10, mode: :observe) == {:ok, :done}
  end

  @tag :native_speed
  test "each takes what a process takes" do
    work = fn ->
      before = Quota.usage().total
      for _ <- 1..1_000, do: idle()
      eventually(fn -> assert Quota.usage().total - before > 1_000 * 2_500 end)
      :done
    end

    assert run(64 * @mib, work) == {:ok, :done}

    assert {:error, %{category: :heap}} =
             run(8 * @mib, fn -> [for(_ <- 1..9_000, do: idle()), Process.sleep(5_000)] end)
  end

  test "those that count are given in pieces" do
    work = fn ->
      pids = for _ <- 1..1_000, do: idle()
      {account, _} = Native.own_account()
      test = self()

      Quota.Watch.Children.each_piece(
        account,
        &send(test, {:piece, Enum.map(&1, fn {pid, _} -> pid end)})
      )

      pieces = pieces()
      assert Enum.all?(pieces, &(length(&1) <= 256))
      assert pieces |> Enum.concat() |> Enum.sort() == Enum.sort(pids)
      :done
    end

    assert run(64 * @mib, work) == {:ok, :done}
  end

  defp pieces do
    receive do
      {:piece, piece} -> [piece | pieces()]
    after
      0 -> []
    end
  end

  test "work of a quota inside is not counted twice" do
    work = fn ->
      {account, _} = Native.own_account()
      Quota.run(8 * @mib, fn -> Native.account_children(account, 0, false) end)
    end

    assert run(64 * @mib, work, max_children: 1) == {:ok, {[], nil}}
  end

  test "a guard whose children wait is not woken" do
    test = self()

    work = fn ->
      for _ <- 1..2, do: idle()
      {account, _} = Native.own_account()
      send(test, {:guard, Native.account_guard(account)})
      receive do: (:stop -> :done)
    end

    task = Task.async(fn -> run(64 * @mib, work) end)
    assert_receive {:guard, guard}
    # Once it has adopted them.
    eventually(fn ->
      before = Process.info(guard, :reductions)
      Process.sleep(100)
      assert Process.info(guard, :reductions) == before
    end)

    for %{caller: caller, pid: pid} <- Quota.list(), caller == task.pid, do: send(pid, :stop)
    assert Task.await(task) == {:ok, :done}
  end

  test "one that waited for long and then grows is seen" do
    test = self()

    work = fn ->
      child =
        spawn(fn ->
          receive do: (:grow -> :ok)
          kept = Enum.to_list(1..4_000_000)
          Process.sleep(:infinity)
          kept
        end)

      send(test, {:child, child})
      Process.sleep(:infinity)
    end

    task = Task.async(fn -> run(32 * @mib, work) end)
    assert_receive {:child, child}
    eventually(fn -> assert {:status, :waiting} = Process.info(child, :status) end)
    send(child, :grow)
    assert {:error, %{category: :heap}} = Task.await(task, 30_000)
  end

  # It is polled up to 164 ms after it was last, unless it runs. On a busy machine some messages are found as late.
  @tag :native_speed
  test "one that waited for long is polled when it is sent a message" do
    work = fn ->
      child =
        spawn(fn ->
          Process.flag(:message_queue_data, :off_heap)
          receive do: (:never -> :ok)
        end)

      {account, _caller} = Native.own_account()
      message = Enum.to_list(1..100_000)

      for n <- 1..9 do
        Process.sleep(400)
        sent = System.monotonic_time(:millisecond)
        send(child, message)
        eventually(fn -> assert Native.account_others(account) >= n * 1_600_000 end)
        System.monotonic_time(:millisecond) - sent
      end
    end

    assert {:ok, milliseconds} = run(64 * @mib, work)
    assert Enum.at(Enum.sort(milliseconds), 2) <= 20
  end

  # One for each scheduler, which would keep anybody of a lower priority from running.
  test "children at the highest priority are watched" do
    work = fn ->
      for _ <- 1..System.schedulers_online() do
        spawn(fn ->
          Process.flag(:priority, :max)
          for(_ <- 1..1_000, do: :binary.copy("x", @mib)) |> length()
        end)
      end

      Process.sleep(:infinity)
    end

    assert {:error, error} = run(32 * @mib, work)
    assert error.usage.total < 96 * @mib
  end

  test "a process is attached only where children count" do
    sleeper = spawn(fn -> Process.sleep(:infinity) end)

    # With a guard from the beginning, with one that starts later, and without.
    for opts <- [[count: [:ets]], [mode: :observe], [shared_binaries: false], []] do
      work = fn ->
        Process.sleep(20)
        Quota.attach(sleeper)
      end

      assert_raise ArgumentError, ~r/count: \[:children\]/, fn ->
        Quota.run(8 * @mib, work, opts)
      end
    end

    limited = fn ->
      Quota.put_limit(8 * @mib)
      assert_raise ArgumentError, fn -> Quota.attach(sleeper) end
      Quota.put_limit(8 * @mib, count: [:children])
      Quota.attach(sleeper)
    end

    assert Task.await(Task.async(limited))
    eventually(fn -> refute Process.alive?(sleeper) end)
  end

  test "the caller that waits for the work is not attached" do
    work = fn -> Quota.attach(hd(Process.get(:"$callers"))) end

    assert_raise ArgumentError, ~r/waits for the work/, fn ->
      Quota.run(8 * @mib, work, count: [:children])
    end
  end

  # The guard asked the work what it uses itself, and waited: behind a hundred runnable children for a fifth of a second, and where
  # the work was in a call that does not yield for as long as that.
  test "children over the limit end without a question to the work" do
    test = self()

    work = fn ->
      {account, _caller} = Native.own_account()
      send(test, {:began, self(), Native.account_guard(account)})
      receive do: (:go -> :ok)
      for _ <- 1..4, do: spawn(fn -> keep(Enum.to_list(1..@mib)) end)
      Process.sleep(:infinity)
    end

    {caller, ended} = spawn_monitor(fn -> exit(run(32 * @mib, work)) end)
    assert_receive {:began, worker, guard}
    :erlang.trace_pattern({:erlang, :process_info, 2}, true, [])
    :erlang.trace(guard, true, [:call])
    send(worker, :go)
    assert_receive {:DOWN, ^ended, _, ^caller, {:error, error}}
    :erlang.trace_pattern({:erlang, :process_info, 2}, false, [])
    assert %Quota.ExceededError{category: :heap} = error
    refute_received {:trace, ^guard, :call, {:erlang, :process_info, [^worker, _]}}
  end

  # Figures of several children are read one after the other. A child that had given its memory back counted with the next one, which
  # took it, where it could not be read again: its watcher had sent it a signal.
  test "a figure from before a child's last collection is not added up" do
    found = for _ <- 1..10, do: outdated_over?(0)
    assert Enum.all?(found, &match?({false, _, _}, &1))
    assert {false, true, true} in found
  end

  # A hundred could each take tens of megabytes while they are asked again.
  test "among more than 8 children the last figures decide" do
    assert Enum.any?(1..10, fn _ -> outdated_over?(8) == {true, true, true} end)
  end

  # Whether a child is over the limit by a figure from before its last collection, and then by one from after it: with all that counts
  # besides, and with the children alone. A turn watcher may read it before that: then it is not.
  defp outdated_over?(others) do
    unwatched(32 * @mib, fn account ->
      work = self()
      pid = spawn_link(fn -> collect_for(work) end)
      {[{^pid, child}], nil} = Native.account_children(account, 0, false)
      for _ <- 1..others//1, do: spawn_link(fn -> collect_for(work) end)

      large = fn ->
        Native.account_asked(child)
        Native.account_observe_at_rest(child, 40 * @mib, 0, Native.account_collections(child))
      end

      large.()
      send(pid, :collect)
      receive do: (:collected -> :ok)
      outdated = Children.still_over?(account, :all)
      large.()
      {outdated, Children.still_over?(account, :all), Children.still_over?(account, :children)}
    end)
  end

  # What `work` returns in a process that counts what it starts. It has no guard, so that no watcher reads a child meanwhile.
  defp unwatched(limit, work) do
    begin = fn ->
      account = Native.account_new(self(), limit, nil, nil)
      true = Native.account_attach(account, self())
      Tracer.trace_self(account, limit, %{children: true, enforce: false, shared: true})
      exit({:returned, work.(account)})
    end

    {_, monitor} = spawn_monitor(begin)
    assert_receive {:DOWN, ^monitor, _, _, {:returned, returned}}, 60_000
    returned
  end

  defp collect_for(work) do
    receive do: (:collect -> :erlang.garbage_collect())
    send(work, :collected)
    collect_for(work)
  end

  defp keep(kept) do
    Process.sleep(:infinity)
    kept
  end
end
