defmodule Bounded.DoctorRemoteTest do
  # A node that is asked from another one, over a real connection.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  alias Bounded.Doctor
  alias Bounded.Test.{Cover, Faults, Peer}

  @moduletag timeout: 120_000

  setup do
    env = Peer.start_epmd()
    cookie = "cookie#{System.unique_integer([:positive])}"
    {target, node} = Peer.start_named(cookie, env)
    Peer.call(target, Faults, :flooded_mailbox, [])
    %{env: env, cookie: cookie, node: node}
  end

  defp mix(arguments, env, task \\ "bounded.doctor") do
    System.cmd("mix", [task | arguments],
      env: [{"MIX_ENV", "test"} | env] ++ Cover.environment(),
      stderr_to_stdout: true
    )
  end

  test "a connected node tells what threatens it", %{env: env, cookie: cookie, node: node} do
    {asking, own} = Peer.start_named(cookie, env)
    assert %{node: ^node, findings: findings} = Peer.call(asking, Doctor, :examine, [node])
    assert :mailbox in Enum.map(findings, & &1.id)

    assert %{node: ^own, findings: findings} = Peer.call(asking, Doctor, :examine, [])
    refute :mailbox in Enum.map(findings, & &1.id)

    assert_raise ErlangError, ~r/noconnection/, fn ->
      Peer.call(asking, Doctor, :report, [:"nobody@127.0.0.1"])
    end
  end

  test "a node that does not have this library is examined as well", %{env: env, cookie: cookie} do
    {asking, _} = Peer.start_named(cookie, env)
    {plain, node} = Peer.start_plain(cookie, env)
    assert Peer.call(plain, :code, :which, [Doctor]) == :non_existing
    # A function of OTP alone keeps the messages.
    pid = Peer.call(plain, :erlang, :spawn, [:timer, :sleep, [:infinity]])
    for _ <- 1..10_000, do: Peer.call(plain, :erlang, :send, [pid, :unread])

    assert %{node: ^node, facts: facts, findings: findings} =
             Peer.call(asking, Doctor, :examine, [node, [collect: true]])

    assert {"this library", "does not run on this node"} in facts
    assert %{figure: 10_000} = Enum.find(findings, &(&1.id == :mailbox))
  end

  test "mix bounded.doctor --node prints the report, and exits with 2 for a critical finding", %{
    env: env,
    cookie: cookie,
    node: node
  } do
    assert {text, 2} = mix(["--node", "#{node}", "--cookie", cookie], env)
    assert text =~ "Memory of #{node}"
    assert text =~ "20000 messages"

    assert {json, 2} = mix(["--node", "#{node}", "--cookie", cookie, "--format", "json"], env)
    assert json =~ ~r/^{"node":"#{node}","facts":\[\["/
    assert json =~ ~s("severity":"critical","figure":20000)
  end

  test "mix bounded.doctor says that long and short names do not mix, either way", context do
    %{env: env, cookie: cookie, node: node} = context
    [name, "127.0.0.1"] = node |> Atom.to_string() |> String.split("@")
    assert {text, 1} = mix(["--node", "#{name}@localhost", "--cookie", cookie], env)
    assert text =~ "cannot reach #{name}@localhost: the node runs, and refuses the connection"
    assert text =~ "exactly as node() returns it there"

    {_peer, short} = Peer.start_short(cookie, env)
    [name, "localhost"] = short |> Atom.to_string() |> String.split("@")
    assert {text, 1} = mix(["--node", "#{name}@127.0.0.1", "--cookie", cookie], env)
    assert text =~ "one side uses long names and the other short ones"
    assert {text, status} = mix(["--node", "#{short}", "--cookie", cookie], env)
    assert status in [0, 2]
    assert text =~ "Memory of #{short}"
  end

  test "mix bounded.doctor says that the node ended while it was asked" do
    lost = fn -> :erlang.raise(:error, {:erpc, :noconnection}, []) end

    assert_raise Mix.Error, ~r/^app@host was reached, and then the connection was lost/, fn ->
      Mix.Bounded.asking(:app@host, lost)
    end

    assert_raise Mix.Error, ~r/did not answer within a minute/, fn ->
      Mix.Bounded.asking(:app@host, fn -> :erlang.raise(:error, {:erpc, :timeout}, []) end)
    end

    assert_raise ErlangError, ~r/:other/, fn ->
      Mix.Bounded.asking(:app@host, fn -> :erlang.error(:other) end)
    end

    assert Mix.Bounded.asking(:app@host, fn -> :answer end) == :answer
  end

  test "mix bounded.top says that the node ended while it was looked at", context do
    %{env: env, cookie: cookie} = context
    {target, node} = Peer.start_plain(cookie, env)
    top = Task.async(fn -> mix(["--node", "#{node}", "--cookie", cookie], env, "bounded.top") end)
    connected = fn -> assert [_] = Peer.call(target, :erlang, :nodes, [:hidden]) end
    eventually(connected, 60_000)
    :peer.stop(target)
    assert {text, 1} = Task.await(top, 60_000)
    assert text =~ "#{node} was reached, and then the connection was lost"
  end

  test "mix bounded.doctor says why a node cannot be reached", context do
    %{env: env, cookie: cookie, node: node} = context

    assert {text, 1} = mix(["--node", "#{node}", "--cookie", "another"], env)
    assert text =~ "cannot reach #{node}: the node runs, and refuses the connection"
    assert text =~ "--cookie"

    assert {text, 1} = mix(["--node", "nobody@127.0.0.1", "--cookie", cookie], env)
    assert text =~ "Is the node's name right?"

    alone = [{"ERL_EPMD_PORT", "1"}]
    assert {text, 1} = mix(["--node", "app@127.0.0.1", "--cookie", cookie], alone)
    assert text =~ "no Erlang port mapper (epmd, port 4369) answers on 127.0.0.1"

    assert {text, 1} = mix(["--node", "app@no-such-host.invalid", "--cookie", cookie], env)
    assert text =~ "not known here"

    assert {text, 1} = mix(["--node", "app"], env)
    assert text =~ "a name such as app@host"
  end
end
