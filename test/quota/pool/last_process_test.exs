defmodule Quota.Pool.LastProcessTest do
  # Reserved memory is released with the last process of the work, when it is free again, not with the first.
  use Quota.PoolCase, async: false

  alias Bounded.Native

  # Whether a child still runs when its parent is dead is for the guard to decide: here it is stopped.
  defp without_guard(guard, fun) do
    :erlang.suspend_process(guard)
    fun.()
  after
    :erlang.resume_process(guard)
  end

  defp child(test, label) do
    spawn(fn ->
      send(test, {label, self()})
      receive do: (:end -> :ok)
    end)
  end

  # Work that counts its children and starts two: one that the guard watches, and one that it had no time to see.
  defp with_children(name) do
    test = self()

    work = fn ->
      child(test, :first)
      {account, _} = Native.own_account()
      send(test, {:worker, self(), account})
      receive do: (:continue -> child(test, :second))
      receive do: (:end -> :done)
    end

    caller = spawn(fn -> Quota.try_run(@limit, work, pool: name, count: [:children]) end)
    assert_receive {:worker, worker, account}
    assert_receive {:first, first}
    guard = eventually_guard(account)
    eventually(fn -> assert watched?(first) end)
    %{caller: caller, worker: worker, guard: guard, first: first}
  end

  defp watched?(pid) do
    {:monitored_by, watchers} = Process.info(pid, :monitored_by)
    Enum.any?(watchers, &is_pid/1)
  end

  defp members_of(pid) do
    {:monitored_by, watchers} = Process.info(pid, :monitored_by)
    call = {:initial_call, {Quota.Watch.ChildWatcher, :watch, 5}}

    for watcher <- watchers,
        is_pid(watcher),
        Process.info(watcher, :initial_call) == call,
        do: watcher
  end

  defp eventually_guard(account) do
    eventually(fn -> assert is_pid(Native.account_guard(account)) end)
    Native.account_guard(account)
  end

  defp second(worker) do
    send(worker, :continue)
    assert_receive {:second, second}
    second
  end

  test "children keep it when their parent is dead, seen by the guard or not" do
    %{name: name} = start()
    %{guard: guard, worker: worker, first: first} = with_children(name)

    second =
      without_guard(guard, fn ->
        second = second(worker)
        kill(worker)
        assert %{reserved: @charge, running: 1} = Pool.info(name)
        kill(first)
        assert Process.alive?(second)
        assert %{reserved: @charge, running: 1} = Pool.info(name)
        second
      end)

    empty(name)
    refute Process.alive?(second)
  end

  test "and give it back when nobody is left to watch them" do
    %{name: name} = start()
    %{caller: caller, guard: guard, worker: worker, first: first} = with_children(name)
    :erlang.suspend_process(guard)
    second = second(worker)
    # Those who watch besides the guard go first: they would kill all when it is killed.
    watchers = members_of(worker) ++ members_of(first)
    for pid <- watchers, do: kill(pid)
    for pid <- [caller, guard, worker], do: kill(pid)
    assert %{reserved: @charge, running: 1} = Pool.info(name)
    for pid <- [first, second], do: send(pid, :end)
    empty(name)
  end

  test "those who wait are told when the last child is dead" do
    %{name: name, pid: pid} = start(size: @charge)
    %{guard: guard, worker: worker, first: first} = with_children(name)
    hold(name, @limit, pool_timeout: :infinity)
    waiting(name, 1)

    without_guard(guard, fn ->
      kill(worker)
      :erlang.trace(pid, true, [:receive])
      kill(first)
      assert_receive {:trace, ^pid, :receive, :room}
      :erlang.trace(pid, false, [:receive])
      send(began(), :end)
    end)

    empty(name)
  end

  test "work nested in dead work keeps it" do
    %{name: name} = start()
    test = self()

    inner = fn ->
      send(test, {:inner, self(), Native.own_account()})
      receive do: (:end -> :done)
    end

    outer = fn ->
      send(test, {:outer, self()})
      Quota.run(Quota.kib(64), inner, pool: name)
    end

    spawn(fn -> Quota.try_run(@limit, outer, pool: name) end)
    assert_receive {:inner, inner, {account, _caller}}
    assert_receive {:outer, outer}
    guard = eventually_guard(account)

    without_guard(guard, fn ->
      kill(outer)
      assert Process.alive?(inner)
      assert %{reserved: @charge, running: 1} = Pool.info(name)
    end)

    empty(name)
    refute Process.alive?(inner)
  end
end
