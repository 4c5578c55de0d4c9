defmodule Bounded.FactsTest do
  # Figures of processes and ports that end while they are read, and of a node that does not answer as it should.
  use ExUnit.Case, async: false

  alias Bounded.Facts.{Probe, Processes}
  alias Bounded.Test.{Faults, Peer}

  test "a process that is gone has its number for a name, and no binaries" do
    probe = Probe.new(node())
    {pid, ref} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^ref, _, _, _}
    assert Processes.readable_name(probe, pid, 0) == inspect(pid)
    assert Processes.unique(probe, pid) == {0, 0}
  end

  test "the messages of a very long mailbox are counted, and their binaries are not listed" do
    test = self()
    pid = spawn(fn -> receive do: (:stop -> :ok) end)
    for _ <- 1..100_001, do: send(pid, test)
    assert [{100_001, %{pid: ^pid}} | _] = Processes.gather(Probe.new(node())).queues
    Process.exit(pid, :kill)
  end

  test "on another node an item whose call raises spoils no other" do
    env = Peer.start_epmd()
    cookie = "cookie#{System.unique_integer([:positive])}"
    {asking, _} = Peer.start_named(cookie, env)
    {_asked, node} = Peer.start_named(cookie, env)
    answers = Peer.call(asking, Faults, :asked_remotely, [node])
    assert [{"no port", :undefined}, {port, {:name, name}} | _] = answers
    assert is_port(port) and is_list(name)
    assert Peer.call(asking, Faults, :read_remotely, [node, "no/such/file"]) == ""
    assert Peer.call(asking, Faults, :read_remotely, [node, "proc/self/comm"]) =~ "beam"
  end
end
