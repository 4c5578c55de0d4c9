defmodule Quota.CrowdTest do
  # Ten thousand at once. Alone, because it measures the memory of the node and how long an answer takes.
  use ExUnit.Case, async: false

  @moduletag :native_speed

  import Bounded.Eventually

  @crowd 10_000
  @most_bytes 12 * 1024
  @most_ms 50
  @watched_ms 1_000
  @tries 3

  # Processes that wait, each in `around`.
  defp crowd(around) do
    test = self()

    work = fn ->
      send(test, :at_work)
      Process.sleep(:infinity)
    end

    callers = for _ <- 1..@crowd, do: spawn(fn -> around.(work) end)
    for _ <- 1..@crowd, do: assert_receive(:at_work, 30_000)
    callers
  end

  defp disperse(callers, at_most) do
    Enum.each(callers, &Process.exit(&1, :kill))
    eventually(fn -> assert length(Process.list()) <= at_most end, 60_000)
  end

  defp memory do
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    :erlang.memory(:total)
  end

  # Bytes that `around` takes for each of a crowd, and what `while_there` returns, which is called with the processes that were
  # there before. A crowd that a failed test leaves behind would make the tests after it fail as well.
  defp measured(around, while_there) do
    others = MapSet.new(Process.list())
    before = memory()
    callers = crowd(around)

    try do
      result = while_there.(others)
      {div(memory() - before, @crowd), result}
    after
      disperse(callers, MapSet.size(others) + 50)
    end
  end

  # In a time in which each of them has been looked at several times.
  defp slowest_answer do
    echo = spawn_link(fn -> echo() end)
    slowest_answer(echo, System.monotonic_time(:millisecond) + @watched_ms, 0)
  end

  defp slowest_answer(echo, until, slowest) do
    {microseconds, :answer} =
      :timer.tc(fn ->
        send(echo, self())
        receive do: (:answer -> :answer)
      end)

    slowest = max(slowest, microseconds)

    if System.monotonic_time(:millisecond) < until,
      do: slowest_answer(echo, until, slowest),
      else: div(slowest, 1_000)
  end

  defp echo do
    receive do: (from -> send(from, :answer))
    echo()
  end

  defp quota(work), do: Quota.run(Quota.mib(8), work)

  # Caller, work and guard. Other processes may end meanwhile, and are not counted.
  defp guarded?(others),
    do: Enum.count(Process.list(), &(&1 not in others)) >= 3 * @crowd

  @tag timeout: 180_000
  test "10,000 quotas run at once, each for at most 12 KiB, and others are answered within 50 ms" do
    {bare, _} = measured(& &1.(), fn _others -> :ok end)

    {with_quota, slowest} =
      measured(&quota/1, fn others ->
        eventually(fn -> assert guarded?(others) end, 60_000)
        assert length(Quota.list()) >= @crowd
        # Others may use the machine as well, and then say nothing about quotas.
        Enum.min(for _ <- 1..@tries, do: slowest_answer())
      end)

    assert with_quota - bare <= @most_bytes
    assert slowest <= @most_ms, "the slowest answer took #{slowest} ms"
  end
end
