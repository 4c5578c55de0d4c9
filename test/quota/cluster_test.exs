defmodule Quota.ClusterTest do
  # A cluster of one node.
  use ExUnit.Case, async: false

  @moduletag :capture_log

  doctest Quota.Cluster

  test "start_link/1 refuses invalid options" do
    assert_raise ArgumentError, ~r/:pool must be the name of a Quota.Pool, got: nil/, fn ->
      Quota.Cluster.start_link([])
    end

    assert_raise ArgumentError, ~r/unknown keys \[:name\]/, fn ->
      Quota.Cluster.start_link(pool: Some.Pool, name: :it)
    end
  end

  test "info/1 needs a cluster of that pool" do
    assert_raise ArgumentError, ~r/start {Quota.Cluster, pool: No.Pool}/, fn ->
      Quota.Cluster.info(No.Pool)
    end
  end

  test "a node that is not part of a cluster cannot reach another one" do
    assert catch_exit(Quota.run(Quota.mib(1), {Kernel, :node, []}, node: :nobody@nowhere)) ==
             {:nodedown, :nobody@nowhere}
  end

  test "a document is parsed here, and its elements are worked on anywhere" do
    start_supervised!({Quota.Pool, name: Parsed.Pool, size: Quota.mib(8)})
    start_supervised!({Quota.Cluster, pool: Parsed.Pool})
    document = ["<feed>", for(n <- 1..10, do: "<item>#{n}</item>"), "</feed>"]

    assert document
           |> BoundedXml.select("/feed/item")
           |> Stream.chunk_every(3)
           |> Quota.Cluster.async_stream(Quota.mib(1), {Enum, :count, []}, pool: Parsed.Pool)
           |> Enum.to_list() == [ok: 3, ok: 3, ok: 3, ok: 1]
  end

  test "a pool that starts later is seen when it has, and one that stops admits nothing" do
    start_supervised!({Quota.Cluster, pool: Later.Pool})
    assert Quota.Cluster.info(Later.Pool) == []
    pool = start_supervised!({Quota.Pool, name: Later.Pool, size: Quota.mib(4)})
    assert [%{paused: false, free: free}] = Quota.Cluster.info(Later.Pool)
    assert free == Quota.mib(4)
    assert Process.alive?(pool)
    stop_supervised!({Quota.Pool, Later.Pool})
    assert [%{paused: true}] = Quota.Cluster.info(Later.Pool)
  end
end
