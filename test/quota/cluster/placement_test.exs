defmodule Quota.Cluster.PlacementTest do
  # Where work runs, over real connections.
  use Quota.ClusterCase, async: false

  @where {ClusterNode, :where, []}

  setup_all do
    [{a, _}, {b, _}, {c, _}] = nodes = cluster([1, 2, 2])
    %{a: a, b: b, c: c, nodes: nodes, names: Enum.map(nodes, &elem(&1, 1))}
  end

  setup %{nodes: nodes} do
    on_exit(fn -> release(nodes) end)
  end

  describe "three nodes" do
    test "run work here while there is room, else on another one, and refuse it when all are full",
         %{a: a, names: [an, bn, cn] = names, nodes: nodes} do
      assert run(a, @where, node: :any) == {:returned, an}
      assert {caller, _, ^an} = at(a, :hold, [[node: :any]])
      # The four others fit elsewhere.
      held = for _ <- 1..4, do: at(a, :hold, [[node: :any]])
      assert Enum.frequencies_by(held, &elem(&1, 2)) == %{bn => 2, cn => 2}

      assert {:error, %PoolFullError{node: nil, reason: :full}} = run(a, @where, node: :any)
      assert {:error, %PoolFullError{node: ^bn}} = run(a, @where, node: bn)
      assert {:error, %PoolFullError{node: node}} = run(a, @where, node: [bn, cn])
      assert node in [bn, cn]

      for {caller, _, _} <- [{caller, nil, nil} | held], do: at(a, :kill, [caller])
      Enum.each(nodes, &idle/1)
      seen(nodes)
      for name <- names, do: assert(run(a, @where, node: name) == {:returned, name})
      for name <- names, do: assert(run(a, @where, node: [name]) == {:returned, name})
    end

    test "a stale view costs a question, and is corrected", %{
      a: a,
      b: b,
      c: c,
      names: [_, bn, cn]
    } do
      for {peer, name} <- [{b, bn}, {c, cn}] do
        # What the others know does not change from here on.
        at(peer, :silence)
        on_exit(fn -> at(peer, :speak) end)
        for _ <- 1..2, do: assert({_, _, ^name} = at(peer, :hold, [[node: name]]))
      end

      %{^bn => free} = at(a, :views)
      assert free > 0
      assert {_, _, _} = at(a, :hold, [[node: :any]])
      assert {:error, %PoolFullError{nodes: nodes}} = run(a, @where, node: :any)
      assert Enum.sort(nodes) == Enum.sort([bn, cn])
      assert {:error, %PoolFullError{nodes: []}} = run(a, @where, node: :any)
      assert %{^bn => 0, ^cn => 0} = at(a, :views)
      assert {:error, %PoolFullError{node: node}} = run(a, @where, node: [bn, cn])
      assert node in [bn, cn]
    end

    test "a node that is short of memory is seen as such, and not chosen", context do
      %{a: a, b: b, c: c, names: [an, bn, cn]} = context

      seen_as = fn expected ->
        eventually(
          fn ->
            for peer <- [a, b] do
              infos = Peer.call(peer, Quota.Cluster, :info, [ClusterNode.pool()])
              info = Enum.find(infos, &(&1.node == cn))
              assert Map.take(info, [:paused, :pressure]) == expected
            end
          end,
          10_000
        )
      end

      at(c, :short_of_memory)
      on_exit(fn -> at(c, :enough_memory) end)
      seen_as.(%{paused: true, pressure: :critical})
      held = for _ <- 1..3, do: at(a, :hold, [[node: :any]])
      assert Enum.frequencies_by(held, &elem(&1, 2)) == %{an => 1, bn => 2}
      assert {:error, %PoolFullError{nodes: []}} = run(a, @where, node: :any)
      assert {:error, %PoolFullError{node: ^cn, reason: :paused}} = run(a, @where, node: cn)

      at(c, :enough_memory)
      %{level: level} = Peer.call(c, Quota.Pressure, :info, [])
      seen_as.(%{paused: false, pressure: level})
      assert run(a, @where, node: :any) == {:returned, cn}
    end

    test "work that waits goes where room comes first", %{a: a, b: b, names: [an, bn, cn]} do
      assert {_, _, ^an} = at(a, :hold, [[node: :any]])

      [{_, worker, _} | _] = for name <- [bn, bn, cn, cn], do: at(b, :hold, [[node: name]])

      [caller] = at(a, :load, [1, [node: :any, pool_timeout: 20_000]])
      eventually(fn -> assert at(a, :figures).waiting == 1 end)
      %{admitted: before} = at(b, :figures)
      Peer.call(b, :erlang, :send, [worker, :release])

      eventually(fn ->
        assert %{running: 2, admitted: admitted} = at(b, :figures)
        assert admitted == before + 1
        assert %{running: 1, waiting: 0} = at(a, :figures)
      end)

      assert at(a, :outcomes, [[caller]]) == []
      at(a, :kill, [caller])
    end

    test "work that waits runs here when room comes here", %{a: a, names: [an, bn, cn]} do
      assert {_, worker, ^an} = at(a, :hold, [[node: :any]])
      for name <- [bn, bn, cn, cn], do: assert({_, _, ^name} = at(a, :hold, [[node: name]]))
      [caller] = at(a, :load, [1, [node: :any, pool_timeout: :infinity]])
      eventually(fn -> assert at(a, :figures).waiting == 1 end)
      Peer.call(a, :erlang, :send, [worker, :release])
      eventually(fn -> assert %{waiting: 0, running: 1} = at(a, :figures) end)
      assert at(a, :outcomes, [[caller]]) == []

      assert {:error, %PoolFullError{reason: :timeout, node: nil}} =
               run(a, @where, node: :any, pool_timeout: 50)

      assert {:error, %PoolFullError{reason: :timeout, node: ^bn}} =
               run(a, @where, node: bn, pool_timeout: 50)

      assert {:error, %PoolFullError{reason: :timeout, node: node}} =
               run(a, @where, node: [bn, cn], pool_timeout: 50)

      assert node in [bn, cn]
    end

    test "a limit larger than the pool here runs on a node with a larger one", context do
      %{a: a, names: [_, bn, cn]} = context
      limit = 2 * ClusterNode.limit()
      run = fn limit, options -> at(a, :attempt, [Quota, :run, [limit, @where, options]]) end
      options = [pool: ClusterNode.pool(), node: :any]
      assert {:returned, node} = run.(limit, options)
      assert node in [bn, cn]
      assert {:returned, _} = run.(limit, [pool_timeout: 1_000] ++ options)

      for node <- [:any, bn, [bn, cn]] do
        assert {:error, %ArgumentError{message: message}} =
                 run.(2 * limit, Keyword.put(options, :node, node))

        assert message =~ "more than the whole pool"
      end

      for name <- [bn, cn], do: at(a, :hold, [[node: name]])
      assert {:error, %PoolFullError{reason: :full}} = run.(limit, options)
    end
  end

  describe "messages" do
    # From the question to the admission is one round trip. The work is sent after it.
    @asked [hear: :admitted, send: :go, hear: :done]

    defp traced(peer, work, options),
      do: Peer.call(peer, ClusterTrace, :run, [work, options])

    test "room here costs none, and room on another node one question", context do
      %{a: a, b: b, c: c, names: [an, bn, cn], nodes: nodes} = context
      assert traced(a, @where, node: :any) == {{:returned, an}, []}
      assert {_, _, ^an} = at(a, :hold, [[node: an]])
      for _ <- 1..2, do: assert({_, _, ^bn} = at(b, :hold, [[node: bn]]))
      seen(nodes)

      for node <- [:any, [an, cn], cn], options <- [[], [pool_timeout: 1_000]] do
        assert traced(a, @where, [node: node] ++ options) ==
                 {{:returned, cn}, [{:ask, cn} | @asked]}

        idle({c, cn})
        seen(nodes)
      end
    end

    test "a refusal costs one question more", %{a: a, b: b, names: [_, bn, cn], nodes: nodes} do
      assert {_, _, ^cn} = at(a, :hold, [[node: cn]])
      seen(nodes)
      # The node that seems to have more room has none.
      at(b, :silence)
      on_exit(fn -> at(b, :speak) end)
      for _ <- 1..2, do: assert({_, _, ^bn} = at(b, :hold, [[node: bn]]))
      expected = [{:ask, bn}, {:hear, :refused}, {:ask, cn} | @asked]
      assert traced(a, @where, node: [bn, cn]) == {{:returned, cn}, expected}
    end

    test "views are sent when they change, at most every 100 ms, and none without a change",
         %{a: a, names: [an, bn, cn]} do
      views = &Peer.call(a, ClusterTrace, :views, &1)
      # Until nothing is on its way of what ran before.
      eventually(fn -> assert {_, []} = views.([1_000]) end, 20_000)

      # An admission is a change, and what it changes may be seen in two parts.
      {_, sent} = views.([1_000, {:once, :hold, [[node: an]]}])
      by_node = Enum.group_by(sent, &elem(&1, 0), &elem(&1, 1))
      assert Enum.sort(Map.keys(by_node)) == Enum.sort([bn, cn])
      for {_, views} <- by_node, do: assert([%{running: 1, free: 0}] = Enum.take(views, -1))
      for {_, views} <- by_node, do: assert(length(views) <= 2)

      # Thousands of changes.
      at(a, :release)
      {passed, sent} = views.([1_500, {:always, :run, [@where, []]}])
      counts = Enum.frequencies_by(sent, &elem(&1, 0))
      assert Enum.sort(Map.keys(counts)) == Enum.sort([bn, cn])
      for {_, count} <- counts, do: assert(count in 3..(div(passed, 100) + 1))
    end
  end
end
