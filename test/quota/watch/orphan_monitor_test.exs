defmodule Quota.Watch.OrphanMonitorTest do
  # Kills the monitor, and waits until it sleeps: the whole VM has one, which is awake while any quota has no guard.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Bounded.Native

  defp work(test) do
    Process.flag(:trap_exit, true)
    send(test, {:worker, self()})
    Process.sleep(:infinity)
  end

  # The caller dies at a random moment of the first milliseconds: before it has begun to wait, while it
  # waits without a guard, and after.
  @tag :native_speed
  test "no work goes on without its caller, whenever that dies" do
    test = self()

    for n <- 1..300 do
      caller = spawn(fn -> Quota.run(65_536, fn -> work(test) end) end)
      for _ <- 1..(n * 20), do: :erlang.yield()
      Process.exit(caller, :kill)
    end

    eventually(fn -> assert alive(received([])) == [] end)
  end

  test "a killed orphan monitor is replaced by the next run that needs it" do
    Quota.run(65_536, fn -> :ok end)
    eventually(fn -> assert is_pid(Process.whereis(Quota.Watch.OrphanMonitor)) end)
    old = Process.whereis(Quota.Watch.OrphanMonitor)
    ref = Process.monitor(old)
    Process.exit(old, :kill)
    assert_receive {:DOWN, ^ref, _, _, _}

    Quota.run(65_536, fn -> :ok end)
    eventually(fn -> assert Process.whereis(Quota.Watch.OrphanMonitor) not in [nil, old] end)
  end

  # Its caller used to wake the monitor. One that was killed before left it asleep for all that came later.
  test "a quota whose caller dies as it begins wakes the monitor" do
    Quota.run(65_536, fn -> :ok end)
    eventually(fn -> assert is_pid(Process.whereis(Quota.Watch.OrphanMonitor)) end)
    monitor = Process.whereis(Quota.Watch.OrphanMonitor)
    eventually(fn -> assert asleep?(monitor) end)
    work = spawn(fn -> Process.sleep(:infinity) end)
    ref = Process.monitor(work)

    spawn(fn ->
      account = Native.account_new(self(), 65_536, nil, nil)
      Native.account_begin(account, work, 0, true)
    end)

    assert_receive {:DOWN, ^ref, _, _, :killed}
  end

  # Awake, it does something every five milliseconds.
  defp asleep?(monitor) do
    before = Process.info(monitor, :reductions)
    Process.sleep(50)
    Process.info(monitor, :reductions) == before
  end

  defp received(workers) do
    receive do
      {:worker, worker} -> received([worker | workers])
    after
      0 ->
        known = Process.get(:workers, []) ++ workers
        Process.put(:workers, known)
        known
    end
  end

  defp alive(workers), do: Enum.filter(workers, &Process.alive?/1)
end
