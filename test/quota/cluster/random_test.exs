defmodule Quota.Cluster.RandomTest do
  # Random operations on three nodes: no node ever promises more than its pool has. `BOUNDED_CLUSTER_OPERATIONS=100000` makes as many.
  use Quota.ClusterCase, async: false

  alias Bounded.Test.ClusterRandom

  @moduletag timeout: :infinity

  @operations String.to_integer(System.get_env("BOUNDED_CLUSTER_OPERATIONS", "1500"))
  @rooms [3, 4, 6]
  @drivers 8

  defp operations(cuts) do
    nodes = cluster(@rooms)
    names = Enum.map(nodes, &elem(&1, 1))
    for {peer, _} <- nodes, do: :ok = Peer.call(peer, ClusterRandom, :prepare, [])
    count = div(@operations, length(nodes) * @drivers)
    seed = :rand.uniform(1_000_000)

    results =
      nodes
      |> Enum.map(fn {peer, _} ->
        Task.async(fn ->
          arguments = [seed, @drivers, count, names, cuts]
          :peer.call(peer, ClusterRandom, :operate, arguments, :infinity)
        end)
      end)
      |> Task.await_many(:infinity)

    if cuts, do: reconnect(nodes)
    Enum.each(nodes, &idle/1)
    seen(nodes)

    for {{{peer, _}, room}, result} <- nodes |> Enum.zip(@rooms) |> Enum.zip(results) do
      assert {[], []} == {result.unexpected, result.messages}, "with seed #{seed}"
      assert result.outcomes[:returned] > 0
      figures = at(peer, :figures)
      assert figures.size == room * ClusterNode.charge()
      assert figures.peak <= figures.size
      assert figures.peak > 0
      assert result.held in 1..figures.size
    end

    if System.get_env("BOUNDED_CLUSTER_OPERATIONS"),
      do: IO.inspect(Enum.map(results, & &1.outcomes))
  end

  defp reconnect(nodes) do
    eventually(
      fn ->
        connect(nodes)
        seen(nodes)
      end,
      30_000
    )
  end

  test "with delays and crashes" do
    operations(false)
  end

  @tag :slow
  test "with connections that are cut as well" do
    operations(true)
  end
end
