defmodule Bounded.TopTest do
  # Nodes that are watched from another one, over a real connection.
  use ExUnit.Case, async: false

  alias Bounded.{Doctor, Top}
  alias Bounded.Facts.Live
  alias Bounded.Test.{Faults, Peer}
  alias Bounded.Top.{Tables, Text}

  import Bounded.Eventually
  import ExUnit.CaptureIO

  @mib 1024 * 1024

  describe "on another node" do
    setup do
      env = Peer.start_epmd()
      cookie = "cookie#{System.unique_integer([:positive])}"
      {asking, _} = Peer.start_named(cookie, env)
      %{env: env, cookie: cookie, asking: asking}
    end

    test "its quotas, pools and growing processes", %{env: env, cookie: cookie, asking: asking} do
      {target, node} = Peer.start_named(cookie, env)
      Peer.call(target, Faults, :busy_with_quotas, [])
      Peer.call(target, Faults, :watched, [])
      text = asking |> Peer.call(Top, :frame, [node]) |> IO.iodata_to_binary()

      assert text =~ "#{node}   OTP #{System.otp_release()}"
      assert text =~ ~r/^limit .* in use, /m
      assert text =~ ~r/^native memory +\d/m
      assert text =~ ~r/^quotas: 1$/m
      assert text =~ ~r/^watchdog  observe, line at \S+ [KMGT]iB, \S+ [KMGT]iB below it; /m
      # The copy, and its source until that is collected.
      assert text =~ ~r/^ *[48](\.\d)? MiB +\d+ % +64 MiB .* "the import"$/m
      assert text =~ ~r/^pools: 1$/m
      assert text =~ ~r/ 256 MiB .* :top_pool$/m
      # The first row is what grew most.
      assert text =~ ~r/binaries  messages  process\n *\+\d\S* [KM]iB\/s .* :growing/
    end

    test "one that does not have this library", %{env: env, cookie: cookie, asking: asking} do
      {plain, node} = Peer.start_plain(cookie, env)
      assert Peer.call(plain, :code, :which, [Doctor]) == :non_existing
      text = asking |> Peer.call(Top, :frame, [node]) |> IO.iodata_to_binary()
      assert text =~ "#{node}   OTP #{System.otp_release()}"
      assert text =~ ~r/^processes +\d/m
      assert text =~ ":application_controller"
      refute text =~ "quotas"
      refute text =~ "watchdog"
    end

    test "raises if it cannot be reached", %{asking: asking} do
      assert_raise ErlangError, ~r/noconnection/, fn ->
        Peer.call(asking, Doctor, :top, [:"nobody@127.0.0.1"])
      end
    end

    @tag :slow
    @tag :native_speed
    test "takes at most a hundredth of a core of it", context do
      {plain, node} = Peer.start_plain(context.cookie, context.env)
      for _ <- 1..20_000, do: Peer.call(plain, :erlang, :spawn, [:timer, :sleep, [:infinity]])
      busy = fn -> plain |> Peer.call(:erlang, :statistics, [:runtime]) |> elem(0) end
      start = busy.()
      {looks, milliseconds} = Peer.call(context.asking, Faults, :watch, [node, 2_000, 4])
      assert looks == 4
      assert busy.() - start <= milliseconds / 100
    end
  end

  test "Bounded.Doctor.top/1 prints one frame of this node" do
    text = capture_io(fn -> assert Doctor.top() == :ok end)
    assert text =~ ~r/^#{node()}   OTP/
    assert text =~ ~r/^ETS tables: \d+, by growth$/m
  end

  describe "a look" do
    test "costs no more than its share: many processes take turns" do
      # A budget of 3 milliseconds for thousands of processes.
      idle = for _ <- 1..5_000, do: spawn_link(fn -> Process.sleep(:infinity) end)
      live = Live.new(node(), 1_000)
      {samples, _} = Enum.map_reduce(1..6, live, fn _, live -> Live.look(live) end)
      processes = Enum.map(samples, & &1.processes)
      assert Enum.all?(processes, &(&1.count > 5_000 and &1.looked_at < &1.count))

      [table] =
        samples |> List.last() |> Tables.tables(:growth) |> Enum.filter(&(&1.id == :processes))

      assert table.note =~ "at a time, in turns"

      for pid <- idle do
        Process.unlink(pid)
        Process.exit(pid, :kill)
      end
    end

    test "sees a process that is new, and one that grows" do
      {_, live} = node() |> Live.new(60_000) |> Live.look()
      pid = spawn_link(fn -> held(for(_ <- 1..10, do: :binary.copy("x", @mib))) end)

      eventually(fn ->
        # The virtual heap of binaries is counted from the next collection on.
        :erlang.garbage_collect(pid)
        {sample, _} = Live.look(live)

        assert %{growth: growth, binaries: binaries} =
                 Enum.find(sample.processes.rows, &(&1.id == pid))

        assert growth > 0
        assert binaries >= 10 * @mib
      end)

      Process.unlink(pid)
      Process.exit(pid, :kill)
    end

    test "a pause grows with what two looks cost, not with one" do
      live = Live.new(node(), 2_000)
      assert Live.pause_ms(live) == 2_000
      assert Live.pause_ms(%{live | costs_us: {100, 1_000_000}}) == 2_000
      assert Live.pause_ms(%{live | costs_us: {90_000, 1_000_000}}) == 30_000
    end
  end

  defp held(binaries) do
    Process.sleep(:infinity)
    held(binaries)
  end

  describe "a frame" do
    setup do
      {sample, _} = node() |> Live.new(2_000) |> Live.look()
      %{sample: sample}
    end

    defp text(sample, opts) do
      [colour: false, width: 80, height: 24, sort: :growth]
      |> Keyword.merge(opts)
      |> then(&Text.lines(sample, &1))
      |> Enum.map(&IO.iodata_to_binary/1)
    end

    test "fits the terminal, however small", %{sample: sample} do
      for {width, height} <- [{80, 24}, {40, 5}, {200, 60}, {100, 12}] do
        lines = text(sample, width: width, height: height)
        assert length(lines) <= height
        assert Enum.all?(lines, &(String.length(&1) <= width))
      end
    end

    test "has colours where they are wanted, and no control characters of labels", %{
      sample: sample
    } do
      refute Enum.any?(text(sample, []), &(&1 =~ "\e"))
      assert Enum.any?(text(sample, colour: true), &(&1 =~ "\e[32m"))

      row = %{id: self(), name: "evil\e[2J\n", growth: 1, memory: 2, binaries: 3, queue: 4}
      sample = %{sample | processes: %{count: 1, looked_at: 1, rows: [row]}}
      lines = text(sample, [])
      refute Enum.any?(lines, &(&1 =~ ~r/[\e\n]/))
      assert Enum.any?(lines, &(&1 =~ "evil?[2J?"))
    end

    test "is sorted by what was asked for", %{sample: sample} do
      row = fn name, growth, memory, binaries, queue ->
        %{id: name, name: name, growth: growth, memory: memory, binaries: binaries, queue: queue}
      end

      rows = [
        row.("g", 9, 1, 1, 1),
        row.("m", 1, 9, 1, 1),
        row.("b", 1, 1, 9, 1),
        row.("q", nil, 1, 1, 9)
      ]

      sample = %{sample | processes: %{count: 4, looked_at: 4, rows: rows}}

      for {sort, first} <- [growth: "g", memory: "m", binaries: "b", queue: "q"] do
        table = sample |> Tables.tables(sort) |> Enum.find(&(&1.id == :processes))
        assert table.rows |> hd() |> List.last() == first
      end
    end

    test "has no watchdog where that has ended" do
      start_supervised!({Quota.Watchdog, []}, id: :watched)
      {%{library: %{watchdog: watchdog}}, _} = node() |> Live.new(2_000) |> Live.look()
      assert %{mode: :observe, last: nil} = watchdog
      stop_supervised!(:watched)
      assert {%{library: %{watchdog: nil}}, _} = node() |> Live.new(2_000) |> Live.look()
    end

    test "tells what the watchdog did last", %{sample: sample} do
      refute Enum.any?(text(sample, []), &(&1 =~ "watchdog"))
      status = %{mode: :enforce, line: 90 * @mib, used: 80 * @mib, last: nil}

      line = fn status ->
        sample = %{sample | library: Map.put(sample.library, :watchdog, status)}
        Enum.find(text(sample, width: 120), &(&1 =~ "watchdog"))
      end

      assert line.(status) ==
               "watchdog  enforce, line at 90 MiB, 10 MiB below it; it has not acted yet"

      last = %{outcome: :ended, kind: :table, pid: self(), age_ms: 12_000}

      assert line.(%{status | used: 95 * @mib, last: last}) ==
               "watchdog  enforce, line at 90 MiB, passed by 5 MiB; 12 s ago it ended #{inspect(self())}, owner of an ETS table"

      outcomes = [
        :ended,
        :observed,
        :refused,
        :nothing_to_end,
        :critical,
        :collected,
        :paused
      ]

      kinds = [nil, :process, :group, :table, :persistent_terms, :port, :quota]

      for outcome <- outcomes, kind <- kinds do
        last = %{last | outcome: outcome, kind: kind}
        assert line.(%{status | last: last}) =~ "12 s ago it "
      end
    end

    test "kinds of memory add up to what is resident", %{sample: sample} do
      kinds = sample |> Map.put(:resident, sample.memory.total + 50 * @mib) |> Tables.kinds()
      assert Enum.sum(for {_, bytes} <- kinds, do: bytes) == sample.memory.total + 50 * @mib
    end

    test "shows quotas by their age and label, and whose limit it is", %{sample: sample} do
      quota = fn fields ->
        Map.merge(
          %{pid: self(), label: nil, limit: 2 * @mib, age_ms: 1, heap: 0, binaries: 0, native: 0},
          fields
        )
      end

      ages = [{5, "5 ms"}, {5_000, "5 s"}, {600_000, "10 min"}, {7_200_000, "2 h"}]
      largest = for {ms, _} <- ages, do: {@mib, quota.(%{age_ms: ms})}
      largest = largest ++ [{0, quota.(%{label: "import", limit: 0})}]

      library =
        Map.merge(sample.library, %{count: 5, complete: false, largest: largest, watchdog: nil})

      [table | _] = Tables.tables(%{sample | library: library}, :growth)
      assert table.title == "quotas: 5 or more"
      rows = Enum.map(table.rows, &{Enum.at(&1, 1), Enum.at(&1, 6), Enum.at(&1, 7)})

      assert rows ==
               for({_, age} <- ages, do: {"50 %", age, inspect(self())}) ++
                 [{"0 %", "1 ms", ~s("import")}]

      for {source, whose} <- [
            machine: "the machine's memory",
            cgroup_v2: "the control group's limit"
          ] do
        pressure = %{sample.pressure | source: source, limit: 100 * @mib, usage: 9 * @mib}

        assert Tables.limit(%{sample | pressure: pressure}) =~
                 "9 MiB of 100 MiB (#{whose}) in use"
      end
    end

    test "colours pressure by its level", %{sample: sample} do
      for {level, colour} <- [normal: "\e[32m", high: "\e[33m", critical: "\e[31m"] do
        sample = put_in(sample.pressure.level, level)
        assert sample |> text(colour: true) |> Enum.any?(&(&1 =~ colour <> "pressure  #{level}"))
        refute sample |> text([]) |> Enum.any?(&(&1 =~ "\e["))
      end
    end

    test "says when no limit can be read", %{sample: sample} do
      pressure = %{sample.pressure | limit: nil, usage: nil, some: nil, level: :normal}
      lines = text(%{sample | pressure: pressure}, [])
      assert Enum.any?(lines, &(&1 =~ "cannot be read"))
    end
  end
end
