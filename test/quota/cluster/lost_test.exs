defmodule Quota.Cluster.LostTest do
  # Nodes that die, stop, are cut off, or run something else.
  use Quota.ClusterCase, async: false

  @held {ClusterNode, :held, [:none]}

  # Node a stays, and each test loses a node b of its own.
  setup_all do
    env = Peer.start_epmd()
    cookie = "cookie#{System.unique_integer([:positive])}"
    [{a, an}] = cluster([1], %{env: env, cookie: cookie})
    %{env: env, cookie: cookie, a: a, an: an}
  end

  setup %{a: a, an: an} = context do
    nodes =
      [{a, an}, {b, bn}] = if context[:flags], do: pair(context), else: joined({a, an}, context)

    %{a: a, an: an, b: b, bn: bn, nodes: nodes}
  end

  defp pair(context), do: cluster([1, 1], %{flags: context.flags})

  defp joined(a, context) do
    nodes = [a | cluster([1], context)]
    connect(nodes)
    seen(nodes)
    on_exit(fn -> at(elem(a, 0), :release) end)
    nodes
  end

  defp calling(peer, options) do
    [caller] = at(peer, :load, [1, options])
    caller
  end

  defp outcome(peer, caller) do
    eventually(fn -> assert [_] = at(peer, :outcomes, [[caller]]) end)
    [outcome] = at(peer, :outcomes, [[caller]])
    outcome
  end

  defp running({peer, _}, count),
    do: eventually(fn -> assert at(peer, :figures).running == count end)

  # As kill -9 does.
  defp kill(peer), do: peer |> os_pid() |> signal("KILL")

  defp os_pid(peer), do: Peer.call(peer, :os, :getpid, [])
  defp signal(os_pid, name), do: {_, 0} = System.cmd("kill", ["-#{name}", "#{os_pid}"])

  test "a node that is killed loses its own calls alone", context do
    %{a: a, b: b, an: an, bn: bn, nodes: [_, there]} = context
    assert {_, _, ^an} = at(a, :hold, [[node: an]])
    # It may run anywhere, but has begun: without `retry: :safe` it is not run again.
    lost = calling(a, node: :any)
    eventually(fn -> assert at(a, :begun?, [lost]) end)
    running(there, 1)
    waiting = calling(a, node: bn, pool_timeout: :infinity)
    either = calling(a, node: [an, bn], pool_timeout: :infinity)
    eventually(fn -> assert at(b, :figures).waiting == 1 end)
    eventually(fn -> assert at(a, :figures).waiting == 1 end)
    Process.unlink(b)
    kill(b)
    assert outcome(a, lost) == {:exit, {:nodedown, bn}}
    # It had not begun, and no other node may run it.
    assert outcome(a, waiting) == {:exit, {:nodedown, bn}}
    assert at(a, :outcomes, [[either]]) == []
    assert %{running: 1, waiting: 1} = at(a, :figures)
    assert Map.keys(at(a, :views)) == [an]
  end

  test "a caller's node that is killed leaves nothing where its work ran", context do
    %{a: a, b: b, an: an, bn: bn, nodes: nodes} = context
    callers = [calling(b, node: an)]
    running(hd(nodes), 1)
    callers = [calling(b, node: an, pool_timeout: :infinity) | callers]
    eventually(fn -> assert at(a, :figures).waiting == 1 end)
    assert length(callers) == 2
    Process.unlink(b)
    kill(b)
    idle({a, an})
    assert at(a, :run, [{ClusterNode, :where, []}, [node: :any]]) == {:returned, an}
    assert at(a, :run, [{ClusterNode, :where, []}, [node: bn]]) == {:exit, {:nodedown, bn}}
  end

  @tag :slow
  test "a node that is stopped is down, though it kills its processes first", context do
    %{a: a, b: b, bn: bn, nodes: [_, there]} = context
    lost = calling(a, node: bn)
    running(there, 1)
    Process.unlink(b)
    Peer.call(b, :init, :stop, [])
    assert outcome(a, lost) == {:exit, {:nodedown, bn}}
  end

  @tag :slow
  @tag flags: ["-kernel", "net_ticktime", "4"]
  test "a node that falls silent is lost within 1.25 net_ticktime, and its work ends when it is back",
       context do
    %{a: a, b: b, an: an, bn: bn, nodes: [here, there]} = context
    lost = calling(a, node: bn)
    running(there, 1)
    os_pid = os_pid(b)
    began = System.monotonic_time(:millisecond)
    signal(os_pid, "STOP")
    on_exit(fn -> System.cmd("kill", ["-CONT", "#{os_pid}"], stderr_to_stdout: true) end)
    assert outcome(a, lost) == {:exit, {:nodedown, bn}}
    # Ours is but to hear of it; a busy machine is late.
    assert System.monotonic_time(:millisecond) - began < 5_000 + 1_000
    eventually(fn -> assert Map.keys(at(a, :views)) == [an] end)
    signal(os_pid, "CONT")
    Enum.each([here, there], &idle/1)
  end

  test "work that may run twice runs elsewhere", context do
    %{a: a, b: b, an: an, bn: bn, nodes: [_, there]} = context
    safe = calling(a, node: [an, bn], retry: :safe, pool_timeout: :infinity)
    running({a, an}, 1)
    spilled = calling(a, node: :any, retry: :safe, pool_timeout: :infinity)
    running(there, 1)
    only = calling(a, node: bn, retry: :safe, pool_timeout: :infinity)
    eventually(fn -> assert at(b, :figures).waiting == 1 end)
    Process.unlink(b)
    kill(b)
    assert outcome(a, only) == {:exit, {:nodedown, bn}}
    eventually(fn -> assert at(a, :figures).waiting == 1 end)
    at(a, :kill, [safe])
    eventually(fn -> assert %{running: 1, waiting: 0} = at(a, :figures) end)
    assert at(a, :outcomes, [[spilled]]) == []
  end

  for prevent <- ["true", "false"] do
    if prevent == "false", do: @tag(:slow)
    @tag flags: ["-kernel", "prevent_overlapping_partitions", prevent]
    test "a connection that is cut loses its calls, and both see the same when it is back (prevent_overlapping_partitions #{prevent})",
         context do
      %{a: a, b: b, an: an, bn: bn, nodes: nodes} = context
      lost = [{a, calling(a, node: bn)}, {b, calling(b, node: an)}]
      Enum.each(nodes, &running(&1, 1))
      true = Peer.call(a, :erlang, :disconnect_node, [bn])
      [at_b, at_a] = for {peer, caller} <- lost, do: outcome(peer, caller)
      assert at_b == {:exit, {:nodedown, bn}}
      assert at_a == {:exit, {:nodedown, an}}
      Enum.each(nodes, &idle/1)
      eventually(fn -> assert Peer.call(a, :net_kernel, :connect_node, [bn]) end, 5_000)
      seen(nodes)
      assert {_, _, ^bn} = at(a, :hold, [[node: bn]])
      seen(nodes)
      assert %{^bn => 0} = at(a, :views)
      assert Enum.sort(Map.keys(at(b, :views))) == Enum.sort([an, bn])
    end
  end

  # By the time that a run is watched, its caller's connection may be lost, and may be back.
  test "a caller that has given up holds no memory, and no connection is made to find it",
       context do
    %{a: a, b: b, an: an, nodes: [_, there]} = context
    caller = at(a, :idler)

    for {connected, admitted} <- [{true, 1}, {false, 2}] do
      unless connected, do: true = Peer.call(b, :erlang, :disconnect_node, [an])
      at(b, :run_for, [caller])
      eventually(fn -> assert at(b, :figures).admitted == admitted end)
      idle(there)
      assert an in Peer.call(b, :erlang, :nodes, []) == connected
    end

    at(a, :kill, [caller])
  end

  @tag :slow
  test "a server that crashes is found again", %{a: a, b: b, an: an, bn: bn, nodes: nodes} do
    for {peer, _} <- nodes, do: at(peer, :crash_server)
    seen(nodes)
    for {peer, _} <- nodes, do: at(peer, :crash_scope)
    seen(nodes)
    assert {_, _, ^an} = at(a, :hold, [[node: :any]])
    assert {_, _, ^bn} = at(a, :hold, [[node: :any]])
    seen(nodes)
    assert at(b, :views) == %{an => 0, bn => 0}
  end

  @tag :slow
  test "a node without this library is named in the error", %{a: a, env: env, cookie: cookie} do
    {plain, pn} = Peer.start_plain(cookie, env)
    assert {:error, %ArgumentError{message: message}} = at(a, :run, [@held, [node: pn]])
    assert message =~ "#{pn} has no Quota.Cluster: it runs an older version of :bounded, or none"
    :peer.stop(plain)
  end

  @tag :slow
  test "a node of another version is not chosen, and named in the error", context do
    %{a: a, b: b, an: an, bn: bn} = context
    Peer.call(b, Code, :eval_string, [ClusterNode.other_version()])
    at(b, :crash_server)

    eventually(fn ->
      infos = Peer.call(a, Quota.Cluster, :info, [ClusterNode.pool()])
      assert %{version: 77, size: 0} = Enum.find(infos, &(&1.node == bn))
    end)

    assert {:error, %ArgumentError{message: message}} = at(a, :run, [@held, [node: bn]])

    assert message =~
             "#{bn} speaks version 77 of the protocol of Quota.Cluster, this node version"

    assert {_, _, ^an} = at(a, :hold, [[node: :any]])
    assert {:error, %PoolFullError{reason: :full, nodes: []}} = at(a, :run, [@held, [node: :any]])
  end
end
