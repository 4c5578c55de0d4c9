defmodule Quota.Cluster.StreamTest do
  # `Quota.Cluster.async_stream/4` over two nodes.
  use Quota.ClusterCase, async: false

  setup_all do
    [{a, an}, {b, bn}] = nodes = cluster([2, 2])
    %{a: a, b: b, an: an, bn: bn, nodes: nodes}
  end

  setup %{nodes: nodes} do
    on_exit(fn -> release(nodes) end)
  end

  test "each element runs where there is room, and results come in order", %{a: a, an: an, bn: bn} do
    assert at(a, :stream, [1..50, {:node_and, []}, [max_concurrency: 6]]) ==
             {for(n <- 1..50, do: {:ok, n}), Enum.sort([an, bn])}

    {results, _} = at(a, :stream, [1..50, {:node_and, []}, [ordered: false]])
    assert Enum.sort(results) == for(n <- 1..50, do: {:ok, n})
    {results, _} = at(a, :stream, [[], {:node_and, []}, []])
    assert results == []
  end

  test "one failure is that of its element", %{a: a, an: an, nodes: nodes} do
    assert {[{:ok, 1}, {:error, %ExceededError{category: :heap}}, {:exit, exit}, {:ok, 4}], _} =
             at(a, :stream, [1..4, {:fails, []}, []])

    assert {%ArgumentError{message: "3"}, [_ | _]} = exit
    Enum.each(nodes, &idle/1)
    options = [pool_timeout: 0, max_concurrency: 3, node: an]
    {results, _} = at(a, :stream, [[300, 300, 300], {:slow, []}, options])
    assert [{:ok, 300}, {:ok, 300}, {:error, %PoolFullError{}}] = results
  end

  test "elements are taken as there is room", %{a: a, nodes: nodes} do
    # Room for four: four run, and one waits.
    assert {5, taken} = at(a, :taken, [:infinity, [max_concurrency: 50]])
    assert taken == Enum.to_list(1..5)
    Enum.each(nodes, &idle/1)
    assert {3, [1, 2, 3]} = at(a, :taken, [:infinity, [max_concurrency: 3]])
  end

  test "a consumer that takes no more leaves nothing running", %{a: a, nodes: nodes} do
    assert {[{:ok, 1}], []} = at(a, :take, [1, [1, 5_000, 5_000, 5_000, 5_000]])
    Enum.each(nodes, &idle/1)
    assert {[], []} = at(a, :take, [0, [1]])
  end

  test "a source that raises ends the stream, and is closed when it is left", %{
    a: a,
    nodes: nodes
  } do
    assert {{:error, %RuntimeError{message: "source"}}, []} = at(a, :bad_source)
    Enum.each(nodes, &idle/1)
    # Once each.
    assert at(a, :closed_source) == [:closed, :closed]
  end

  test "arguments are validated" do
    stream = fn work, opts -> Quota.Cluster.async_stream([1], Quota.mib(1), work, opts) end
    work = {Integer, :pow, [2]}
    assert_raise ArgumentError, ~r/pass :pool as well, or one node/, fn -> stream.(work, []) end

    assert_raise ArgumentError, ~r/no Quota.Cluster of the pool/, fn ->
      stream.(work, pool: No.Pool)
    end

    for {opts, message} <- [
          {[ordered: 1], ~r/:ordered/},
          {[max_concurrency: 0], ~r/:max_concurrency/},
          {[unknown: 1], ~r/unknown keys \[:unknown\]/}
        ] do
      assert_raise ArgumentError, message, fn -> stream.(work, [pool: No.Pool] ++ opts) end
    end

    assert_raise ArgumentError, ~r/{module, function, arguments}/, fn ->
      stream.(fn _ -> 1 end, pool: No.Pool)
    end
  end
end
