defmodule Bounded.Doctor.JudgedTest do
  # What the doctor says of figures that a test cannot bring about within seconds: those of this VM, with one of them changed.
  use ExUnit.Case, async: true

  alias Bounded.Doctor.{Allocators, Balance, Ets, Finding, Machine, Ports, Processes, Protections}
  alias Bounded.{Doctor, Facts, Format}

  @mib 1024 * 1024

  setup_all do
    facts = Facts.gather(Facts.Probe.new(node()))
    # Of a small node, on which nothing is worth a finding.
    vm = %{facts.vm | memory: %{facts.vm.memory | total: 100 * @mib, binary: 0}}
    nothing = %{largest: [], groups: [], count: 20}
    processes = %{count: 20, heaps: [], holders: [], queues: [], groups: []}
    {:ok, facts: %{facts | vm: vm, tables: nothing, processes: processes}}
  end

  defp process(fields),
    do:
      Map.merge(
        %{
          pid: self(),
          name: "#PID<0.1.0>",
          count: 3,
          heap: 0,
          memory: 0,
          binaries: 0,
          queue: 0,
          messages: 0
        },
        Map.new(fields)
      )

  describe "tables and terms:" do
    defp table(name, bytes, size \\ 10), do: {bytes, %{name: name, owner: self(), size: size}}
    defp tables(facts, tables), do: %{facts | tables: Map.merge(facts.tables, Map.new(tables))}
    defp findings(facts), do: facts |> Ets.examine() |> elem(1)

    test "a table of 32 MiB that is a fifth of the VM's memory", %{facts: facts} do
      assert findings(facts) == []
      assert findings(tables(facts, largest: [table(:sessions, 31 * @mib)])) == []

      assert [%{id: :large_table, figure: figure, summary: summary}] =
               findings(tables(facts, largest: [table(:sessions, 40 * @mib, 7)]))

      assert figure == 40 * @mib
      assert summary =~ ":sessions" and summary =~ "has 7 rows in 40 MiB"

      # Of a larger node it is a small part.
      large = put_in(facts.vm.memory.total, 1_000 * @mib)
      assert findings(tables(large, largest: [table(:sessions, 40 * @mib)])) == []
    end

    test "tables of one name that are large together, unless one of them is by itself", context do
      groups = [{60 * @mib, %{name: :shards, count: 8}}]
      facts = tables(context.facts, groups: groups)

      assert [%{id: :many_tables, summary: summary}] =
               findings(tables(facts, largest: [table(:shards, 8 * @mib)]))

      assert summary == "8 ETS tables named :shards have 60 MiB together"

      assert [%{id: :large_table}] = findings(tables(facts, largest: [table(:shards, 40 * @mib)]))
      few = [{9 * @mib, %{name: :shards, count: 8}}]
      assert findings(tables(context.facts, groups: few)) == []
    end

    test "persistent terms, and atoms of which three quarters exist", %{facts: facts} do
      terms = put_in(facts.vm.persistent_terms, %{count: 9, memory: 50 * @mib})

      assert [%{id: :persistent_terms, summary: "9 persistent terms have 50 MiB"}] =
               findings(terms)

      assert findings(put_in(facts.vm.atoms, {74, 100})) == []
      assert [%{id: :atoms, severity: :critical}] = findings(put_in(facts.vm.atoms, {75, 100}))
    end

    test "binaries that no listed process holds, with the mailbox that may have them", %{
      facts: facts
    } do
      facts = put_in(facts.vm.memory.binary, 90 * @mib)
      assert [%{id: :binaries_elsewhere, summary: plain}] = findings(facts)
      refute plain =~ "mailbox"

      waiting = put_in(facts.processes.queues, [{500, process(name: "the mailer")}])
      assert [%{summary: summary}] = findings(waiting)
      assert summary =~ "500 messages wait in the mailbox of the mailer"

      found = put_in(facts.processes.queues, [{500, process(messages: 60 * @mib)}])
      assert findings(found) == []
      # What its process is seen to hold counts once.
      partly = put_in(found.processes.holders, [{10 * @mib, process([])}])
      assert findings(partly) == []
      seen = put_in(found.processes.holders, [{20 * @mib, process([])}])
      assert findings(put_in(seen.vm.memory.binary, 130 * @mib)) != []

      held = put_in(facts.processes.holders, [{60 * @mib, process([])}])
      assert findings(held) == []
    end
  end

  describe "allocators:" do
    test "one that uses less than half, and freed segments that are kept", %{facts: facts} do
      judged = fn sizes, cached ->
        allocators = %{facts.allocators | sizes: sizes, cached: cached}
        {_, findings} = Allocators.examine(%{facts | allocators: allocators})
        for finding <- findings, do: {finding.id, finding.figure, finding.summary}
      end

      assert judged.([{:eheap_alloc, 200 * @mib, 150 * @mib}], 255 * @mib) == []
      # Half of a small one is not much.
      assert judged.([{:eheap_alloc, 60 * @mib, 10 * @mib}], 0) == []

      assert judged.([{:eheap_alloc, 200 * @mib, 50 * @mib}], 0) ==
               [
                 {:fragmentation, 150 * @mib,
                  "eheap_alloc has 200 MiB and uses 50 MiB of it, 25 %"}
               ]

      assert [{:cached_segments, _, summary}] = judged.([], 256 * @mib)
      assert summary =~ "256 MiB of freed segments"
    end
  end

  describe "ports:" do
    test "queues, and limits that are nearly reached", %{facts: facts} do
      facts = put_in(facts.ports, %{queued: 0, queues: [], programs: []})
      judged = fn facts -> facts |> Ports.examine() |> elem(1) end
      facts = put_in(facts.vm, %{facts.vm | ports: {1, 100}, processes: {79, 100}})
      assert judged.(facts) == []

      queues = [{20 * @mib, %{name: "tcp_inet", connected: self()}}]

      assert [finding] =
               judged.(put_in(facts.ports, %{facts.ports | queued: 20 * @mib, queues: queues}))

      assert %{id: :port_queues, severity: :warning} = finding

      assert finding.summary =~
               "20 MiB wait in port queues, most in tcp_inet of #{inspect(self())}"

      assert [ports, processes] =
               judged.(put_in(facts.vm, %{facts.vm | ports: {80, 100}, processes: {99, 100}}))

      assert %{id: :many_ports, severity: :critical, figure: 80} = ports
      assert ports.remedy =~ "+Q"
      assert %{id: :many_processes, summary: "99 of at most 100 processes exist"} = processes
      assert processes.remedy =~ "+P"
    end

    test "a name is a part of a line, whatever it is" do
      assert Format.line(~c"tcp_inet") == "tcp_inet"
      assert Format.line("größe 1") == "größe 1"
      assert Format.line("a\nb\e[2J") == ~S("a\nb\e[2J")
      assert Format.line([0x70, 0xFF]) == "pÿ"
    end

    test "a program, if it has a tenth of the limit", %{facts: facts} do
      judged = fn limit ->
        program = %{name: "convert", os_pid: 7, connected: self()}
        ports = %{queued: 0, queues: [], programs: [{100 * @mib, program}]}
        facts = put_in(%{facts | ports: ports}.kernel.memory.limit, limit)
        {lines, findings} = Ports.examine(facts)
        assert {"  program", "100 MiB convert (pid 7)"} in lines
        Enum.map(findings, & &1.id)
      end

      assert judged.(1_000 * @mib) == [:child_program]
      assert judged.(nil) == [:child_program]
      assert judged.(1_001 * @mib) == []
    end
  end

  describe "processes:" do
    defp judged(facts, processes, collected \\ %{}) do
      {_, findings} =
        Processes.examine(
          %{facts | processes: Map.merge(facts.processes, Map.new(processes))},
          collected
        )

      for finding <- findings, do: {finding.id, finding.summary}
    end

    test "one with a huge heap", %{facts: facts} do
      assert judged(facts, heaps: [{60 * @mib, process([])}]) == []

      assert [{:huge_process, summary}] =
               judged(facts, heaps: [{70 * @mib, process(name: "importer")}])

      assert summary == "importer has 70 MiB of heap, stack and mailbox"
    end

    test "a mailbox, by what its messages have", %{facts: facts} do
      found = fn key, bytes, fields ->
        facts |> judged([{key, [{bytes, process(fields)}]}]) |> Keyword.keys()
      end

      # A large heap, or many binaries, beside a few messages.
      assert found.(:heaps, 33 * @mib, queue: 10, memory: 33 * @mib, messages: 900) == []
      assert found.(:holders, 31 * @mib, queue: 400, messages: 900) == []
      assert found.(:heaps, 70 * @mib, queue: 10, messages: 31 * @mib) == [:huge_process]
      assert found.(:queues, 9_999, queue: 9_999, messages: 31 * @mib) == []
      assert found.(:queues, 9, queue: 9, messages: 90 * @mib) == []

      for key <- [:heaps, :holders, :queues],
          do: assert(found.(key, 40 * @mib, queue: 10, messages: 32 * @mib) == [:mailbox])

      assert found.(:queues, 10_000, queue: 10_000) == [:mailbox]
    end

    test "what waits in the mailbox of a large process is told", %{facts: facts} do
      waits = "; 400 messages wait in its mailbox"
      large = process(queue: 400)
      facts = put_in(facts.vm.memory.binary, 40 * @mib)
      assert [{_, heap}] = judged(facts, heaps: [{70 * @mib, large}])
      assert heap =~ waits
      holders = [holders: [{40 * @mib, large}]]
      assert [{_, unknown}] = judged(facts, holders)
      assert unknown =~ waits
      assert [{_, proved}] = judged(facts, holders, %{self() => 0})
      assert proved =~ waits
      assert [{_, few}] = judged(facts, heaps: [{70 * @mib, process(queue: 9)}])
      refute few =~ "wait"
    end

    test "many that are alike, unless the largest has a finding of its own", %{facts: facts} do
      largest = process(name: "worker 1")

      groups = [
        {80 * @mib, %{count: 40, memory: 70 * @mib, binaries: 10 * @mib, largest: largest}}
      ]

      assert [{:many_alike, summary}] = judged(facts, groups: groups)

      assert summary =~
               "40 processes started by the same function have 70 MiB and reference 10 MiB"

      assert summary =~ "the largest is worker 1"
      assert [{:huge_process, _}] = judged(facts, groups: groups, heaps: [{70 * @mib, largest}])
    end
  end

  describe "what cannot be read is unknown:" do
    test "the machine's and the VM's figures", %{facts: facts} do
      memory = %{
        facts.kernel.memory
        | source: nil,
          limit: nil,
          usage: nil,
          physical: nil,
          swap: nil
      }

      kernel = %{
        facts.kernel
        | memory: memory,
          overcommit: nil,
          oom_score: 0,
          swapped: 0,
          resident: nil,
          address_space: nil
      }

      {lines, []} = Machine.examine(%{facts | kernel: kernel})
      assert {"memory limit", "unknown"} in lines
      assert {"overcommit", "unknown"} in lines
      assert {"physical memory", "unknown"} in lines

      {lines, []} = Balance.examine(%{facts | kernel: kernel})
      assert {"resident", "unknown"} in lines
      assert {"  not explained", "unknown"} in lines
    end

    test "but for max_heap_size, which is shown with what this release counts", %{facts: facts} do
      shown = fn bytes, release ->
        {lines, []} =
          Protections.examine(%{facts | vm: %{facts.vm | max_heap_size: bytes, release: release}})

        lines |> List.keyfind("max_heap_size", 0) |> elem(1)
      end

      assert shown.(8 * @mib, 26) =~ "8 MiB for every process, counts binaries where"
      assert shown.(0, 25) =~ "no default, cannot count binaries"
    end
  end

  test "a report is JSON, with every character of a summary" do
    finding = %Finding{
      id: :mailbox,
      severity: :critical,
      figure: 9,
      summary: ~s(a "name" \\ of\n\t1 é),
      remedy: "read"
    }

    report = %{
      node: :app@host,
      facts: [{"atoms", "9"}, {"swap", "0"}],
      findings: [finding, finding]
    }

    object =
      ~S({"id":"mailbox","severity":"critical","figure":9,"summary":"a \"name\" \\ of\u000A\u00091 é","remedy":"read"})

    assert report |> Doctor.to_json() |> IO.iodata_to_binary() ==
             ~s({"node":"app@host","facts":[["atoms","9"],["swap","0"]],"findings":[#{object},#{object}]})
  end
end
