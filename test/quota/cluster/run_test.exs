defmodule Quota.Cluster.RunTest do
  # What work on another node is like: errors, context, what is sent.
  use Quota.ClusterCase, async: false

  setup_all do
    [{a, an}, {b, bn}] = nodes = cluster([1, 1])
    %{a: a, b: b, an: an, bn: bn, nodes: nodes}
  end

  setup %{nodes: nodes} do
    on_exit(fn -> release(nodes) end)
  end

  test "returns the result, and raises what the work raises", %{a: a, bn: bn} do
    assert run(a, {ClusterNode, :add, [1, 2]}, node: bn) == {:returned, 3}
    assert run(a, &ClusterNode.where/0, node: bn) == {:returned, bn}
    assert run(a, {ClusterNode, :throws, [:ball]}, node: bn) == {:throw, :ball}
    assert run(a, {:erlang, :exit, [:why]}, node: bn) == {:exit, :why}
    assert run(a, {:erlang, :error, [:why]}, node: bn) == {:error, :why}

    assert run(a, {ClusterNode, :raises, ["no"]}, node: bn) ==
             {:error, %ArgumentError{message: "no"}}

    assert run(a, {ClusterNode, :nothing, []}, node: bn) == {:error, :undef}
    work = {ClusterNode, :dies, []}

    assert {:exit, {:killed, {Quota, :run, [_, ^work, [_, {:node, ^bn}]]}}} =
             run(a, work, node: bn)
  end

  test "a call of a module runs here as well", %{a: a, an: an} do
    assert Quota.run(Quota.mib(1), {ClusterNode, :add, [1, 2]}) == 3
    assert Quota.run(Quota.mib(1), {ClusterNode, :add, [1, 2]}, timeout: 1_000) == 3
    assert Quota.try_run(Quota.mib(1), {ClusterNode, :add, [1, 2]}) == {:ok, 3}
    assert Quota.run(Quota.mib(1), fn -> :closure end, node: node()) == :closure
    assert run(a, {ClusterNode, :where, []}, []) == {:returned, an}
    assert run(a, {ClusterNode, :where, []}, node: an) == {:returned, an}
    assert {:error, %ExceededError{node: nil}} = run(a, {ClusterNode, :grow, []}, node: :any)
  end

  test "a breach over there raises here, with the node", %{a: a, bn: bn} do
    work = {ClusterNode, :grow, []}
    assert {:error, error} = run(a, work, node: bn, label: "import")
    assert %ExceededError{category: :heap, node: ^bn, label: "import", limit: limit} = error
    assert limit == ClusterNode.limit()
    assert Exception.message(error) =~ ~s(the work "import" on #{bn} needed more than its limit)

    options = [pool: ClusterNode.pool(), node: bn]

    assert {:returned, {:error, %ExceededError{node: ^bn}}} =
             at(a, :attempt, [Quota, :try_run, [limit, work, options]])

    assert {:error, %TimeoutError{node: ^bn, timeout: 20} = error} =
             run(a, {Process, :sleep, [:infinity]}, node: bn, timeout: 20)

    assert Exception.message(error) ==
             "the work on #{bn} took longer than its timeout of 20 ms and was killed"

    assert {_, _, ^bn} = at(a, :hold, [[node: bn]])
    assert {:error, %PoolFullError{node: ^bn, reason: :full} = error} = run(a, work, node: bn)
    assert Exception.message(error) =~ "was not admitted to the pool Bounded.Test.Shared on #{bn}"
  end

  test "a timeout that is over before the work is sent is one as well", %{a: a, an: an, bn: bn} do
    work = {Process, :sleep, [1_000]}
    assert {_, _, ^an} = at(a, :hold, [[node: an]])

    for node <- [bn, [bn], :any], options <- [[], [pool_timeout: 1_000]] do
      assert {:error, %TimeoutError{timeout: 0, node: ^bn}} =
               run(a, work, [node: node, timeout: 0] ++ options)

      idle_pool(a, bn)
    end
  end

  # Until that node has released what it had reserved, and this one has heard of it.
  defp idle_pool(peer, node) do
    eventually(fn ->
      info = Peer.call(peer, Quota.Cluster, :info, [ClusterNode.pool()])
      assert %{running: 0, free: free, size: free} = Enum.find(info, &(&1.node == node))
    end)
  end

  test "arguments are measured before they are sent, with their binaries", %{a: a, b: b, bn: bn} do
    %{admitted: before} = at(b, :figures)

    # Made over there: large terms take long to get there.
    for make <- [{Enum, :to_list, [1..200_000]}, {ClusterNode, :binary, [3_000_000]}] do
      assert {:error, %ExceededError{category: :captures, node: nil}} =
               at(a, :with_argument, [make, {Kernel, :is_list, 1}, [node: bn]])
    end

    binary = {ClusterNode, :binary, [1_500_000]}
    sized = {Kernel, :byte_size, 1}
    assert at(a, :with_argument, [binary, sized, [node: bn]]) == {:returned, 1_500_000}
    assert at(b, :figures).admitted == before + 1

    # Two references to one binary are two binaries over there.
    assert {:error, %ExceededError{category: :captures}} =
             at(a, :with_argument, [binary, {Kernel, :==, 2}, [node: bn]])

    assert at(b, :figures).admitted == before + 1
  end

  test "the result counts against the limit, with its binaries", %{a: a, bn: bn} do
    assert 1_500_000 = at(a, :size_of_result, [{ClusterNode, :binary, [1_500_000]}, [node: bn]])

    for work <- [{ClusterNode, :doubled, [1_500_000]}, {ClusterNode, :raises_binary, [1_500_000]}] do
      assert {:error, %ExceededError{category: :result, node: ^bn}} = run(a, work, node: bn)
    end

    # A part of a large binary is sent alone.
    assert {:returned, "xxx"} = run(a, {ClusterNode, :part, [1_000_000]}, node: bn)
  end

  test "the context of the caller is there", %{a: a, bn: bn} do
    dictionary = [a: 1, b: 2]
    work = {ClusterNode, :context, [[:a, :b, :"$callers"]]}
    arguments = [work, [node: bn, inherit: [:a]]]
    context = [dictionary, [request_id: "7"], ClusterNode, :run, arguments]
    assert {caller, outcome} = at(a, :with_context, context)
    assert {:returned, {:returned, {[1, nil, [^caller | _]], [request_id: "7"]}}} = outcome
  end

  test "a closure runs on this node alone", %{a: a, an: an, bn: bn} do
    options = [pool: ClusterNode.pool()]

    for node <- [bn, :any, [bn], [an, bn]] do
      assert {:error, %ArgumentError{message: message}} =
               at(a, :closure, [[{:node, node} | options]])

      assert message =~ "a closure only runs in the code that made it"
    end

    assert at(a, :closure, [[{:node, an} | options]]) == {:returned, :ran}
  end

  test "options over there are those of the run", %{a: a, bn: bn} do
    assert {:error, %ExceededError{category: :children, node: ^bn}} =
             run(a, {ClusterNode, :family, [3]}, node: bn, count: [:children], max_children: 2)

    assert {:error, %ExceededError{category: :queue, node: ^bn}} =
             run(a, {ClusterNode, :flood, []}, node: bn, max_queue: 10)

    # Without a pool there is no admission, and one node can be named all the same.
    options = [node: bn]
    arguments = [ClusterNode.limit(), {ClusterNode, :where, []}, options]
    assert at(a, :attempt, [Quota, :run, arguments]) == {:returned, bn}
  end

  test "nothing is left of a caller that was killed", %{a: a, b: b, bn: bn} do
    assert {caller, worker, ^bn} = at(a, :hold, [[node: bn]])
    [waiting] = at(a, :load, [1, [node: bn, pool_timeout: :infinity]])
    eventually(fn -> assert %{running: 1, waiting: 1} = at(b, :figures) end)
    at(a, :kill, [waiting])
    eventually(fn -> assert %{running: 1, waiting: 0} = at(b, :figures) end)
    at(a, :kill, [caller])
    idle({b, bn})
    refute Peer.call(b, :erlang, :is_process_alive, [worker])
  end

  test "no message is left with the caller", %{a: a, bn: bn, an: an} do
    assert {_, _, ^bn} = at(a, :hold, [[node: bn]])
    assert {_, _, ^an} = at(a, :hold, [[node: an]])
    where = {ClusterNode, :where, []}
    calls = for _ <- 1..5, node <- [bn, :any, [bn]], do: [where, [node: node, pool_timeout: 30]]
    assert {outcomes, []} = at(a, :with_mailbox, [ClusterNode, :run, calls])
    assert Enum.all?(outcomes, &match?({:error, %PoolFullError{}}, &1))
  end

  describe "a caller that cannot have what it asks for" do
    test "is told so", %{a: a, bn: bn} do
      where = {ClusterNode, :where, []}

      run = fn options ->
        at(a, :attempt, [Quota, :run, [ClusterNode.limit(), where, options]])
      end

      assert {:error, %ArgumentError{message: message}} = run.(node: bn, pool: NoPool)
      assert message =~ "on #{bn}: there is no pool NoPool"

      for node <- [:any, [bn]] do
        assert {:error, %ArgumentError{message: message}} = run.(node: node, pool: NoPool)
        assert message =~ "there is no Quota.Cluster of the pool NoPool"
      end

      assert {:error, %ArgumentError{message: message}} = run.(node: :any)
      assert message =~ "pass :pool as well"

      pool = ClusterNode.pool()

      assert {:error, %PoolFullError{reason: :unreachable} = error} =
               run.(pool: pool, node: [:no@body])

      assert Exception.message(error) =~ "none of the nodes"
      assert run.(pool: pool, node: :"no@127.0.0.1") == {:exit, {:nodedown, :"no@127.0.0.1"}}
    end

    test "is refused invalid options" do
      where = {ClusterNode, :where, []}

      for {options, message} <- [
            {[node: 1], ~r/:node must be a node, a list of nodes or :any, got: 1/},
            {[node: []], ~r/:node must be/},
            {[node: [:a | :b]], ~r/:node must be/},
            {[node: nil, retry: :safe], ~r/:retry .* pass :node as well/},
            {[node: :any, retry: :always], ~r/:retry must be :safe/},
            {[node: :any], ~r/pass :pool as well/}
          ] do
        assert_raise ArgumentError, message, fn -> Quota.run(Quota.mib(1), where, options) end
      end

      for work <- [{1, :a, []}, {A, :b, [1 | 2]}, {A, :b}, fn _ -> 1 end, :f] do
        assert_raise ArgumentError, ~r/{module, function, arguments}/, fn ->
          Quota.run(Quota.mib(1), work, node: :any)
        end
      end

      assert_raise ArgumentError, ~r/unknown keys \[:node\]/, fn ->
        Quota.put_limit(Quota.mib(1), node: :any)
      end
    end
  end
end
