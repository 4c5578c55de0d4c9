defmodule Quota.Watch.OrphanMonitorTest do
  use ExUnit.Case, async: true

  import Bounded.Eventually

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

  test "a killed sweeper is replaced by who needs it next" do
    Quota.run(65_536, fn -> :ok end)
    eventually(fn -> assert is_pid(Process.whereis(Quota.Watch.OrphanMonitor)) end)
    old = Process.whereis(Quota.Watch.OrphanMonitor)
    ref = Process.monitor(old)
    Process.exit(old, :kill)
    assert_receive {:DOWN, ^ref, _, _, _}

    Quota.run(65_536, fn -> :ok end)
    eventually(fn -> assert Process.whereis(Quota.Watch.OrphanMonitor) not in [nil, old] end)
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
