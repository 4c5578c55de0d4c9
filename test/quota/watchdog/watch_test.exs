defmodule Quota.Watchdog.WatchTest do
  # The thread that reads the usage while the watchdog's process sleeps: `native/core/src/usage_watch/tests.rs` has its orders.
  use ExUnit.Case, async: true

  alias Bounded.Test.{Churn, Peer, UsageWatches}
  alias Quota.Watchdog.Reading.Watch
  alias Quota.Watchdog.{Pace, State}

  @linux File.exists?("/proc/meminfo")
  @moduletag skip: unless(@linux, do: "this system has no /proc/meminfo")
  @never 0xFFFF_FFFF_FFFF_FFFF

  test "it wakes its process once for an order, with the readings by the process's clock" do
    before = System.monotonic_time(:millisecond)
    watch = UsageWatches.start()
    assert UsageWatches.order(watch, 0, 60_000)
    assert_receive {:usage_watch, [{at, used, late}], used}
    assert at in (before + 2)..System.monotonic_time(:millisecond)
    assert used > 0 and late >= 0
    refute_receive {:usage_watch, _, _}, 20

    assert UsageWatches.order(watch, @never, 60_000)
    refute_receive {:usage_watch, _, _}, 50
    assert UsageWatches.order(watch, @never, 50)
    assert_receive {:usage_watch, readings, _}
    assert length(readings) > 1
    # Its thread ends when the handle is collected, so that is used until now.
    assert UsageWatches.order(watch, @never, 60_000)
  end

  test "its readings count as if the process had made them" do
    reading = %{cache: 10, limit: 1_000}
    state = %State{reading: reading, mark: 95, next: 0, pace: Pace.note(%Pace{}, 90, 100)}
    noted = Watch.noted(state, [{90, 10, 0}, {132, 110, 1}, {165, 60, 2}], 60)
    # Its usage is without cache, and what was read before the last look counts no more.
    assert %{mark: 50, next: 163, pace: %{at: 165, used: 50}} = noted
    assert [{165, 50}, {132, 100} | _] = noted.pace.samples
    assert noted.pace.late > 0
    assert %{next: 0, mark: 95, pace: %{at: 100}} = Watch.noted(state, [], @never)
  end

  describe "the thread ends" do
    test "with the process that started it, though others hold its handle" do
      peer = Peer.start()
      assert Peer.call(peer, UsageWatches, :threads_of_a_process, []) == {1, 0}
    end

    test "when its handle is collected" do
      peer = Peer.start()
      assert Peer.call(peer, UsageWatches, :threads_of_a_handle, []) == {1, 0}
    end

    test "with the watchdog, also where the native module was deleted and purged" do
      peer = Peer.start()
      assert Peer.call(peer, UsageWatches, :threads_of_a_watchdog, []) == {0, 1, 0, 1, 0}
    end
  end

  @tag :tmp_dir
  test "after a panic it is gone, and the watchdog reads by itself", %{tmp_dir: dir} do
    fault = Path.join(dir, "fault")
    File.write!(fault, "")
    peer = Peer.start(~w(-env RUST_BACKTRACE 0 -env BOUNDED_FAULT) ++ [fault])
    assert Peer.call(peer, UsageWatches, :panic, []) == {1, 0, true, :alive}
    assert Peer.call(peer, Churn, :works?, [])
  end
end
