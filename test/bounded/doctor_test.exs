defmodule Bounded.DoctorTest do
  # Every fault is planted in a VM of its own: there nothing else is wrong.
  use ExUnit.Case, async: false

  alias Bounded.Doctor
  alias Bounded.Test.{Faults, Peer}

  import Bounded.Eventually

  @moduletag :tmp_dir
  @moduletag timeout: 120_000

  doctest Doctor

  setup_all do
    {:ok, peer: Peer.start()}
  end

  setup %{tmp_dir: dir} do
    {:ok, root: kernel(dir)}
  end

  # The files of a kernel in whose container all is well, and what is different in this one.
  defp kernel(dir, fixture \\ "v2", files \\ %{}) do
    File.cp_r!("test/fixtures/cgroup/#{fixture}", dir)

    %{
      "proc/sys/vm/overcommit_memory" => "0\n",
      "proc/self/oom_score_adj" => "0\n",
      "proc/self/status" => "VmRSS:\t   61000 kB\nRssAnon:\t   60000 kB\nVmSwap:\t       0 kB\n"
    }
    |> Map.merge(files)
    |> Enum.each(fn {path, text} ->
      path = Path.join(dir, path)
      File.mkdir_p!(Path.dirname(path))
      File.write!(path, text)
    end)

    dir
  end

  defp findings(peer, root), do: Peer.call(peer, Doctor, :examine_below, [root]).findings
  defp ids(peer, root), do: peer |> findings(root) |> Enum.map(& &1.id)

  defp plant(root, fault, flags \\ []) do
    peer = Peer.start(flags)
    Peer.call(peer, Faults, fault, [])
    findings = findings(peer, root)
    :peer.stop(peer)
    findings
  end

  test "nothing on a healthy node", %{root: root, peer: peer} do
    Peer.call(peer, Faults, :idle_processes, [1_000])
    assert findings(peer, root) == []
  end

  test "collects and traces no process", %{root: root} do
    idle = spawn_link(fn -> idle(Enum.to_list(1..1_000)) end)
    send(idle, {:ready, self()})
    assert_receive :ready
    before = Process.info(idle, [:garbage_collection, :total_heap_size])
    assert %{findings: _} = Doctor.examine_below(root)
    assert Process.info(idle, [:garbage_collection, :total_heap_size]) == before
    assert {:flags, []} = :erlang.trace_info(idle, :flags)
    Process.unlink(idle)
    Process.exit(idle, :kill)
  end

  defp idle(held) do
    receive do
      {:ready, pid} -> send(pid, :ready)
    end

    idle(held)
  end

  describe "faults of processes, tables and allocators:" do
    test "a leaking router", %{root: root} do
      assert [%{id: :binary_holder, figure: figure} = finding] = plant(root, :leaking_router)
      assert figure >= 60 * 1024 * 1024
      assert finding.summary =~ ":leaking_router"
      assert finding.summary =~ "60 MiB in 6"
      assert finding.summary =~ "not known"
    end

    test "binaries in use are told from garbage by a collection, where that is allowed", %{
      root: root
    } do
      for {fault, id} <- [leaking_router: :binary_leak, binaries_in_use: :binary_holder] do
        peer = Peer.start()
        Peer.call(peer, Faults, fault, [])
        assert [%{id: :binary_holder} = unsure] = findings(peer, root)
        assert unsure.summary =~ "not known"

        assert [%{id: ^id} = sure] =
                 Peer.call(peer, Doctor, :examine_below, [root, true]).findings

        assert sure.summary =~ "(measured)"
        :peer.stop(peer)
      end
    end

    test "large messages", %{root: root} do
      assert [%{id: :mailbox, figure: 100, summary: summary}] = plant(root, :large_messages)
      assert summary =~ ~r/^100 messages wait in the mailbox of .* have at least 100 MiB$/
    end

    @tag :slow
    test "many processes that are alike", %{root: root} do
      assert [%{id: :many_alike} = finding] = plant(root, :many_alike)
      assert finding.summary =~ ~r/^20\d processes started by the same function/
    end

    @tag :slow
    test "many tables of one name", %{root: root} do
      assert [%{id: :many_tables} = finding] = plant(root, :equal_tables)
      assert finding.summary =~ "8 ETS tables named :sessions"
    end

    test "binaries in rows", %{root: root} do
      assert [%{id: :binaries_elsewhere, figure: figure}] = plant(root, :rows_of_binaries)
      assert figure in 95_000_000..105_000_000
    end

    @tag :slow
    test "persistent terms", %{root: root} do
      assert %{figure: figure} =
               root |> plant(:persistent_terms) |> Enum.find(&(&1.id == :persistent_terms))

      assert figure >= 80_000_000
    end

    test "a program that a port runs", %{tmp_dir: dir} do
      peer = Peer.start()
      os_pid = Peer.call(peer, Faults, :child_program, [])
      # Its status is read of the real /proc, the rest of the kernel from the recorded files.
      status = "proc/#{os_pid}/status"
      eventually(fn -> assert File.read!("/" <> status) =~ ~r/VmRSS:\s+\d{6} kB/ end)
      files = %{status => File.read!("/" <> status), "sys/fs/cgroup/memory.max" => "900000000\n"}
      root = kernel(dir, "v2", files)
      assert [%{id: :child_program} = finding] = findings(peer, root)
      assert finding.summary =~ "awk"
      :peer.stop(peer)
    end

    test "few messages are a mailbox by their own size, not by their process's", %{root: root} do
      assert [%{id: :mailbox, figure: 12} = finding] = plant(root, :few_large_messages)
      assert finding.summary =~ ~r/and have at least 3\d(\.\d)? MiB/
      refute :mailbox in Enum.map(plant(root, :large_with_few_messages), & &1.id)
    end

    test "a flooded mailbox", %{root: root} do
      assert [%{id: :mailbox, severity: :critical, figure: 20_000}] =
               plant(root, :flooded_mailbox)
    end

    @tag :slow
    test "a fragmented allocator", %{root: root} do
      assert [%{id: :fragmentation, figure: figure} = finding] =
               plant(root, :fragmented_allocator)

      assert figure > 64 * 1024 * 1024
      assert finding.summary =~ "binary_alloc"
    end

    @tag :slow
    test "a growing table", %{root: root} do
      assert [%{id: :large_table} = finding] = plant(root, :growing_table)
      assert finding.summary =~ ":growing_table"
      assert finding.summary =~ "1000000 rows"
    end

    test "atoms", %{root: root} do
      assert [%{id: :atoms, severity: :critical}] = plant(root, :many_atoms, ["+t", "32768"])
    end

    test "an orphan", %{root: root} do
      findings = plant(root, :orphan)
      assert %{figure: figure} = Enum.find(findings, &(&1.id == :orphans))
      assert figure in (20 * 1024 * 1024)..(21 * 1024 * 1024)
    end

    @tag :slow
    test "a huge process", %{root: root} do
      assert [%{id: :huge_process, figure: figure} | cached] = plant(root, :huge_process)
      assert Enum.all?(cached, &(&1.id == :cached_segments))
      assert figure >= 160_000_000
    end
  end

  describe "faults of the machine:" do
    test "no container limit", %{tmp_dir: dir, peer: peer} do
      assert ids(peer, kernel(Path.join(dir, "none"), "none")) == [:no_container_limit]
    end

    test "a limit nearly reached", %{tmp_dir: dir, peer: peer} do
      limit = Path.join(dir, "sys/fs/cgroup/memory.max") |> File.read!() |> String.trim()
      root = kernel(dir, "v2", %{"sys/fs/cgroup/memory.current" => limit})
      assert [%{id: :little_left, severity: :critical}] = findings(peer, root)
    end

    test "a limit of nothing", %{tmp_dir: dir, peer: peer} do
      root = kernel(dir, "v2", %{"sys/fs/cgroup/memory.max" => "0\n"})
      assert [%{id: :little_left, severity: :critical}] = findings(peer, root)
    end

    test "memory.high, shared memory and a limit of address space", %{tmp_dir: dir, peer: peer} do
      limits = "Max address space         1000000              1000000              bytes     \n"
      status = "RssAnon:\t60000 kB\nRssShmem:\t900000 kB\n"
      current = Path.join(dir, "sys/fs/cgroup/memory.current") |> File.read!()

      root =
        kernel(dir, "v2", %{
          "sys/fs/cgroup/memory.high" => current,
          "proc/self/limits" => limits,
          "proc/self/status" => status
        })

      assert ids(peer, root) == [:address_space, :memory_high, :shared_memory]
    end

    test "overcommit", %{tmp_dir: dir, peer: peer} do
      for {mode, severity} <- [{"1", :warning}, {"2", :critical}] do
        root = kernel(dir, "v2", %{"proc/sys/vm/overcommit_memory" => mode})
        assert [%{id: :overcommit, severity: ^severity}] = findings(peer, root)
      end
    end

    test "drift between what is resident and what anyone accounts for", %{
      tmp_dir: dir,
      peer: peer
    } do
      root =
        kernel(dir, "v2", %{"proc/self/status" => "VmRSS:\t2000000 kB\nRssAnon:\t1048576 kB\n"})

      assert [%{id: :drift, figure: figure} = finding] = findings(peer, root)
      assert figure in 900_000_000..1_073_741_824
      assert finding.summary =~ "1 GiB are resident"
      assert finding.summary =~ "not explained"
    end

    test "swap and the kernel's list of victims", %{tmp_dir: dir, peer: peer} do
      status = "RssAnon:\t60000 kB\nVmSwap:\t1024 kB\n"

      root =
        kernel(dir, "v2", %{"proc/self/status" => status, "proc/self/oom_score_adj" => "1000\n"})

      assert ids(peer, root) == [:first_to_die, :swapped]
    end
  end

  @tag :slow
  test "a report on 100,000 processes takes less than 3 s of CPU time and 50 MB" do
    peer = Peer.start()
    Peer.call(peer, Faults, :idle_processes, [100_000])
    {milliseconds, bytes} = Peer.call(peer, Faults, :cost, [])
    assert milliseconds < 3_000
    assert bytes < 50_000_000
    :peer.stop(peer)
  end

  test "a quota that runs is listed with its label", %{root: root} do
    Quota.run(
      100_000_000,
      fn ->
        # The largest are listed, and work that earlier tests gave up may not have ended yet.
        largest = Enum.to_list(1..100_000)
        facts = Doctor.examine_below(root).facts

        assert Enum.any?(facts, fn {name, text} ->
                 name == ~s(  "the import") and text =~ "of 95.4 MiB"
               end)

        assert length(largest) == 100_000
      end,
      label: "the import"
    )
  end

  test "tells which protections this release has, and whether there is a super carrier", %{
    root: root,
    peer: peer
  } do
    facts = Map.new(Peer.call(peer, Doctor, :examine_below, [root]).facts)
    release = String.to_integer(System.otp_release())
    assert facts["OTP release"] == "#{release}"

    assert facts["max_heap_size"] =~
             if(release >= 26, do: "counts binaries", else: "cannot count")

    assert facts["trace sessions"] =~ if(release >= 27, do: "yes", else: "no")
    assert facts["super carrier"] == "none"

    with_one = Peer.start(["+MMscs", "256", "+MMsco", "true"])
    facts = Map.new(Peer.call(with_one, Doctor, :examine_below, [root]).facts)
    assert facts["super carrier"] =~ "256 MiB"
    :peer.stop(with_one)
  end

  test "the report is text, worst first", %{root: root} do
    finding = fn id, severity ->
      %Doctor.Finding{id: id, severity: severity, figure: 1, summary: "seen", remedy: "do"}
    end

    report = Doctor.examine_below(root)
    report = %{report | findings: [finding.(:a, :critical), finding.(:b, :warning)]}
    text = report |> Doctor.format() |> IO.iodata_to_binary()
    assert text =~ ~r/memory limit +\d/
    assert text =~ "CRITICAL a: seen\n    do\n\nWARNING b: seen\n    do\n"
    assert IO.iodata_to_binary(Doctor.format(%{report | findings: []})) =~ "Nothing found."
  end
end
