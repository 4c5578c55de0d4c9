defmodule Quota.Watch.StopTheWorldTest do
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Quota.Watch.StopTheWorld

  @tag :native_speed
  test "no process runs but the function, and all do afterwards" do
    busy = 2 * System.schedulers_online()
    counters = :counters.new(busy, [])
    pids = for n <- 1..busy, do: spawn_link(fn -> count(counters, n) end)
    counts = fn -> for n <- 1..busy, do: :counters.get(counters, n) end
    eventually(fn -> assert Enum.all?(counts.(), &(&1 > 0)) end)
    test = self()

    StopTheWorld.run(fn ->
      before = counts.()
      until = System.monotonic_time(:millisecond) + 20
      spin(until)
      send(test, {:counts, before, counts.()})
    end)

    assert_received {:counts, before, before}
    eventually(fn -> assert Enum.zip(before, counts.()) |> Enum.all?(fn {a, b} -> b > a end) end)
    Enum.each(pids, &Process.unlink/1)
    Enum.each(pids, &Process.exit(&1, :kill))
  end

  test "all run again when the function fails" do
    ExUnit.CaptureLog.capture_log(fn ->
      assert StopTheWorld.run(fn -> exit(:failed) end) == :ok
    end)

    task = Task.async(fn -> :ran end)
    assert Task.await(task) == :ran
  end

  defp count(counters, n) do
    :counters.add(counters, n, 1)
    count(counters, n)
  end

  defp spin(until), do: if(System.monotonic_time(:millisecond) < until, do: spin(until))
end
