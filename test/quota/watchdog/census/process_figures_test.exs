defmodule Quota.Watchdog.ProcessFiguresTest do
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Census.ProcessFigures

  @mib 1024 * 1024

  # A heap of 20 MiB of which `young` are used, at a time in microseconds.
  defp figures(young, at, fields \\ []) do
    struct!(
      %ProcessFigures{
        pid: self(),
        at: at,
        bytes: 20 * @mib,
        queue: 0,
        young: young,
        block: 20 * @mib,
        old: 0,
        old_block: 0,
        recent: 0,
        binaries: 0
      },
      fields
    )
  end

  test "counts the copy of a heap that is about to be full" do
    before = figures(17 * @mib, 0)
    now = ProcessFigures.foresee(figures(18 * @mib, 10_000), before)
    # The 2 MiB that are left, the 20 MiB that are copied, at least.
    assert now.copy >= 22 * @mib
  end

  test "counts nothing for a heap that does not grow, and for one that has room for long" do
    still = figures(19 * @mib, 0)
    assert ProcessFigures.foresee(figures(19 * @mib, 10_000), still).copy == 0

    slow = figures(2 * @mib, 0)
    assert ProcessFigures.foresee(figures(2 * @mib + 100_000, 10_000), slow).copy == 0
  end

  test "counts what survived the last collection, where that was seen" do
    before = figures(19 * @mib, 0)
    # The collection left 1 MiB of 19.
    collected = ProcessFigures.foresee(figures(1 * @mib, 10_000, recent: @mib), before)
    assert collected.survival < 0.1
    filling = ProcessFigures.foresee(figures(18 * @mib, 20_000), collected)
    now = ProcessFigures.foresee(figures(19 * @mib, 30_000), filling)
    assert now.copy > 0
    assert now.copy < 8 * @mib
  end

  test "copies the old heap where it has no room for the young one" do
    old = [old: 30 * @mib, old_block: 31 * @mib]
    before = figures(17 * @mib, 0, old)
    assert ProcessFigures.foresee(figures(18 * @mib, 10_000, old), before).copy >= 52 * @mib
  end

  test "reads a process" do
    list = Enum.to_list(1..100_000)
    figures = ProcessFigures.of(self())
    assert figures.bytes >= 1_600_000
    assert figures.young + figures.old >= 1_600_000
    assert length(list) == 100_000
    {pid, ref} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^ref, _, _, _}
    assert ProcessFigures.of(pid) == nil
    assert ProcessFigures.glance(pid) == nil
  end

  test "an answer that comes late is no baseline: the process may have grown until then" do
    pid = spawn(fn -> Process.sleep(:infinity) end)
    :ok = ProcessFigures.ask_soon(pid, 5_000_000)
    assert_receive {:baseline, ^pid, %ProcessFigures{}}
    :ok = ProcessFigures.ask_soon(pid, -1)
    assert_receive {:baseline, ^pid, nil}
    Process.exit(pid, :kill)
  end
end
