defmodule Quota.Cluster.TelemetryTest do
  # The events of runs with `node:`, on the node that calls.
  use Quota.ClusterCase, async: false

  @where {ClusterNode, :where, []}
  @prefix [:bounded, :quota, :cluster]

  setup_all do
    [{a, an}, {b, bn}] = nodes = cluster([1, 1])
    at(a, :record_events)
    %{a: a, b: b, an: an, bn: bn, nodes: nodes}
  end

  # Those of the cluster, as `{name, measurements, metadata}`.
  defp events(peer) do
    for {@prefix ++ [name], measurements, metadata} <- at(peer, :recorded_events),
        do: {name, measurements, metadata}
  end

  test "tell where work was placed, spilled, refused and lost", context do
    %{a: a, b: b, an: an, bn: bn} = context
    pool = ClusterNode.pool()
    limit = ClusterNode.limit()

    assert {_, _, ^an} = at(a, :hold, [[node: :any, label: "one"]])
    assert [{:placed, %{wait: wait, refusals: 0}, metadata}] = events(a)
    assert wait >= 0
    assert metadata == %{pool: pool, label: "one", limit: limit, node: an}

    lost = {_, _, ^bn} = at(a, :hold, [[node: :any]])
    assert [{:placed, %{refusals: 1}, placed}, {:spilled, %{refusals: 1}, spilled}] = events(a)
    assert placed == %{pool: pool, label: nil, limit: limit, node: bn}
    assert spilled == Map.put(placed, :reason, :full)

    assert {:error, %PoolFullError{}} = run(a, @where, node: :any)
    assert {:error, %PoolFullError{}} = run(a, @where, node: bn)
    assert {:error, %PoolFullError{}} = run(a, @where, node: bn, pool_timeout: 10)
    assert {:error, %PoolFullError{}} = run(a, @where, node: [:no@body])

    assert [
             {:refused, _, %{node: ^an, reason: :full}},
             {:refused, _, %{node: ^bn, reason: :full}},
             {:refused, _, %{node: ^bn, reason: :timeout}},
             {:refused, _, %{node: nil, reason: :unreachable}}
           ] = events(a)

    # Without `node:` there are none.
    at(a, :run, [@where, []])
    assert events(a) == []

    Process.unlink(b)
    :peer.stop(b)
    assert is_tuple(lost)

    eventually(fn ->
      assert [{:lost, _, %{node: ^bn, began: true}}] = at(a, :seen_events, [@prefix ++ [:lost]])
    end)

    assert run(a, @where, node: bn) == {:exit, {:nodedown, bn}}
    assert Enum.any?(events(a), &match?({:lost, _, %{node: ^bn, began: false}}, &1))
  end
end
