defmodule Quota.ProcessLimitTest do
  # What becomes of quotas on a node that has as many processes as it can have.
  use ExUnit.Case, async: true

  alias Bounded.Test.{FullTable, Peer}

  # So many processes more can be started.
  @free 0..4

  test "nothing is left of what could not be started" do
    peer = Peer.start(["+P", "1024"])

    calls = if Bounded.Vm.release() >= 27, do: [:run, :run_untraced], else: [:run]

    for call <- calls, opts <- [[], [count: [:ets]], [count: [:children]]], free <- @free do
      assert {result, [], 0, {:messages, []}} = Peer.call(peer, FullTable, call, [free, opts])
      assert result in [:ok, :system_limit]
      assert free > 0 or result == :system_limit
    end
  end

  test "measure/1 and try_run/2 raise, and leave nothing either" do
    peer = Peer.start(["+P", "1024"])

    for {function, args} <- [
          measure: [&DateTime.utc_now/0],
          try_run: [Quota.mib(1), &DateTime.utc_now/0]
        ],
        free <- @free do
      assert {result, [], 0, {:messages, []}} =
               Peer.call(peer, FullTable, :call, [free, function, args])

      assert free > 0 or result == :system_limit
    end
  end

  test "a limit is put on a process as a whole or not at all" do
    peer = Peer.start(["+P", "1024"])
    {%{size: size}, _bytes} = Bounded.Vm.max_heap_size(Quota.mib(8), true, true)

    for free <- @free do
      assert {result, flag, limits, again} = Peer.call(peer, FullTable, :put, [free])

      case result do
        :ok -> assert {size, 1} == {flag.size, limits}
        :system_limit -> assert {0, 0} == {flag.size, limits}
      end

      assert free > 0 or result == :system_limit
      assert again == {:ok, :ok, :ok}
    end
  end

  test "the caller learns why a guard ended, also where it monitors the guard only afterwards" do
    peer = Peer.start(["+P", "1024"])

    for _ <- 1..20, how <- [:killed, :failed] do
      assert {{:guard_died, ^how}, {Quota, :run, _}} =
               Peer.call(peer, FullTable, :late_caller, [how])
    end
  end

  # The guard died where it could start no process, and its work with it.
  test "work within its limit goes on when its guard can start no process" do
    peer = Peer.start(["+P", "1024"])

    for bytes <- [16, 640_000, 1_600_000] do
      assert Peer.call(peer, FullTable, :references, [bytes]) == {:done, {40, bytes}}
    end
  end

  test "a limit that cannot be replaced stays" do
    peer = Peer.start(["+P", "1024"])
    assert Peer.call(peer, FullTable, :replace, []) == {:system_limit, Quota.mib(8)}
  end
end
