defmodule Bounded.DoctorRemoteTest do
  # A node that is asked from another one, over a real connection.
  use ExUnit.Case, async: false

  alias Bounded.Doctor
  alias Bounded.Test.{Faults, Peer}

  @moduletag timeout: 120_000

  setup do
    env = Peer.start_epmd()
    cookie = "cookie#{System.unique_integer([:positive])}"
    {target, node} = Peer.start_named(cookie, env)
    Peer.call(target, Faults, :flooded_mailbox, [])
    %{env: env, cookie: cookie, node: node}
  end

  defp mix(arguments, env) do
    System.cmd("mix", ["bounded.doctor" | arguments],
      env: [{"MIX_ENV", "test"} | env],
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

  test "mix bounded.doctor --node prints it", %{env: env, cookie: cookie, node: node} do
    assert {text, 0} = mix(["--node", "#{node}", "--cookie", cookie], env)
    assert text =~ "Memory of #{node}"
    assert text =~ "20000 messages"

    assert {text, 1} = mix(["--node", "#{node}", "--cookie", "another"], env)
    assert text =~ "cannot reach #{node}"
  end
end
