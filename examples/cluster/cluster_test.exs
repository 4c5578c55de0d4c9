Code.require_file("nodes.ex", __DIR__)

defmodule Examples.ClusterTest do
  use ExUnit.Case, async: false

  alias Bounded.Test.Peer
  alias Examples.Cluster
  alias Examples.Cluster.Office

  # Starts nodes and measures time: not where a processor is emulated.
  @moduletag :native_speed
  @moduletag timeout: 120_000

  setup_all do
    nodes = Cluster.start(3, Peer.start_epmd())
    {:ok, nodes: nodes}
  end

  test "reports are made where there is room, and a node that dies takes none along", context do
    [first, second, third] = context.nodes
    names = Enum.map(context.nodes, & &1.name)

    made = Cluster.call(first, Office, :ask, [6, 1_000_000, 1_000])
    assert Enum.frequencies(made) == Map.new(names, &{{:ok, &1}, 2})

    assert [{:error, %Quota.ExceededError{category: :binaries}}] =
             Cluster.call(first, Office, :ask, [1, 40_000_000, 1_000])

    parts = Cluster.call(first, Office, :split, [30])
    assert parts |> Map.values() |> Enum.sum() == 30
    assert Map.keys(parts) -- names == []

    asked = Task.async(fn -> Cluster.call(first, Office, :ask, [6, 1_000_000, 1_500]) end)
    Cluster.until(fn -> Cluster.call(third, Office, :running, []) == 2 end)
    Cluster.kill(third)
    made = Task.await(asked, 60_000)
    assert length(made) == 6
    assert Enum.all?(made, fn {:ok, node} -> node in [first.name, second.name] end)
  end
end
