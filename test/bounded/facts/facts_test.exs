defmodule Bounded.FactsTest do
  # Figures of processes and ports that end while they are read, and of a node that does not answer as it should.
  use ExUnit.Case, async: false

  alias Bounded.Facts.{NativeMemory, Probe, Processes, Quotas}
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

  describe "the bytes of messages:" do
    # A process that holds a list of so many elements, with so many messages, which a collection has moved into its heap.
    defp messages(elements, messages) do
      test = self()

      pid =
        spawn(fn ->
          list = Enum.to_list(1..elements)
          send(test, :ready)
          receive do: (:never -> list)
        end)

      assert_receive :ready
      for message <- messages, do: send(pid, message)
      :erlang.garbage_collect(pid)
      processes = Processes.gather(Probe.new(node())).queues
      Process.exit(pid, :kill)
      assert [bytes] = for({_, %{pid: ^pid} = process} <- processes, do: process.messages)
      bytes
    end

    test "of a small process they are measured, with the binaries in them" do
      binaries = for n <- 1..30, do: :binary.copy(<<n>>, 1_000_000)
      assert messages(10, binaries) in 30_000_000..30_001_000
      assert messages(10, Enum.to_list(1..30)) < 10_000
    end

    test "of a large process only those outside of its heap count" do
      assert messages(2_000_000, Enum.to_list(1..30)) < 10_000
    end
  end

  test "a VM of which an allocator is switched off says so" do
    peer = Peer.start(["+MBe", "false"])
    # The watchdog does without the sum of all binaries.
    assert Peer.call(peer, Faults, :watched, [])

    assert_raise ArgumentError,
                 ~r/does not report its memory, because one of its allocators/,
                 fn ->
                   Peer.call(peer, Bounded.Doctor, :examine, [])
                 end

    env = Peer.start_epmd()
    cookie = "cookie#{System.unique_integer([:positive])}"
    {asking, _} = Peer.start_named(cookie, env)
    {_asked, node} = Peer.start_named(cookie, env, ["+MBe", "false"])

    for function <- [:examine, :top] do
      assert_raise ArgumentError, ~r/of #{node} does not report its memory/, fn ->
        Peer.call(asking, Bounded.Doctor, function, [node])
      end
    end
  end

  test "this library's figures of a node that is lost are no figures of a node without it" do
    assert Probe.if_known(fn -> raise UndefinedFunctionError end, :none) == :none
    assert Probe.if_known(fn -> {:ok, _} = Process.get(:none) end) == nil

    for module <- [NativeMemory, Quotas] do
      lost = %Probe{node: :"lost@127.0.0.1", root: "/", word: 8, release: 27}
      arguments = if module == Quotas, do: [lost, 1_000], else: [lost]
      assert_raise ErlangError, ~r/:erpc, :no/, fn -> apply(module, :gather, arguments) end
    end
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
