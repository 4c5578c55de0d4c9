defmodule Quota.Watchdog.KindsTest do
  # What grew, other than a process by itself, in a recorded control group of 256 MiB. The watchdog looks at every process of the node.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  alias Bounded.Test.FakeGroup
  alias Quota.Watchdog

  @moduletag :capture_log

  @mib 1024 * 1024
  @limit 256 * @mib
  @calm 192 * @mib
  # More than 85 % of the line.
  @raised 197 * @mib
  # Above the line of 0.9, by little: a culprit has a sixth of what the node grew.
  @over 231 * @mib

  setup do: FakeGroup.watched(@limit, @calm, @raised)

  # Usage that rises in steps: the watchdog looks after each.
  defp rise(root, seen) do
    Enum.find_value(1..12, fn step ->
      FakeGroup.use_bytes(root, @raised + step * 5 * div(@mib, 2))
      Process.sleep(100)
      Enum.find(Watchdog.status().grew, seen)
    end) || flunk("not seen: #{inspect(Watchdog.status())}")
  end

  defp pass_line(root), do: FakeGroup.use_bytes(root, @over)
  defp dead(pid), do: eventually(fn -> refute Process.alive?(pid) end, 5_000)

  defp holder(prepare) do
    test = self()

    pid =
      spawn(fn ->
        ready = fn -> send(test, {:ready, self()}) end
        kept = prepare.(ready)
        Process.sleep(:infinity)
        send(test, kept)
      end)

    on_exit(fn -> Process.exit(pid, :kill) end)
    assert_receive {:ready, ^pid}
    pid
  end

  test "ends the owner of an ETS table of binaries, and not who wrote them", %{root: root} do
    owner =
      holder(fn ready ->
        :ets.new(:watchdog_binaries, [:public, :named_table])
        ready.()
      end)

    # The rows come from this process, which holds none of them afterwards.
    for i <- 1..480, do: :ets.insert(:watchdog_binaries, {i, :binary.copy("x", 65_536)})
    :erlang.garbage_collect()
    rise(root, &match?(%{kind: :table, pid: ^owner, grown: grown} when grown > 20 * @mib, &1))
    pass_line(root)
    dead(owner)

    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :ended, culprit: culprit}},
                   5_000

    assert %{pid: ^owner, kind: :table, table: table} = culprit
    assert %{name: :watchdog_binaries, rows: 480, binaries: binaries} = table
    assert binaries > 20 * @mib
    # The rows themselves are small.
    assert table.bytes < @mib
  end

  test "ends the writer of persistent terms, and says that they do not come back", %{root: root} do
    keys = for i <- 1..800, do: {__MODULE__, i}
    on_exit(fn -> Enum.each(keys, &:persistent_term.erase/1) end)

    writer =
      holder(fn ready ->
        ready.()
        # 32 KiB each.
        for key <- keys do
          :persistent_term.put(key, Enum.to_list(1..2_048))
          Process.sleep(1)
        end
      end)

    rise(root, &match?(%{kind: :persistent_terms, pid: ^writer, grown: g} when g > 8 * @mib, &1))
    pass_line(root)
    dead(writer)
    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :ended} = report}
    assert %{pid: ^writer, kind: :persistent_terms} = report.culprit
    assert report.text =~ "ended the writer of persistent terms, #{inspect(writer)}"
    assert report.text =~ "this memory does not come back"
    assert %{outcome: :ended, kind: :persistent_terms, pid: ^writer} = Watchdog.status().last
  end

  describe "children of one supervisor" do
    defp children(restart) do
      specs =
        for id <- 1..20 do
          start = fn -> kept(Enum.to_list(1..50_000)) end
          Supervisor.child_spec({Agent, start}, id: id, restart: restart)
        end

      options = [strategy: :one_for_one, max_restarts: 2, max_seconds: 60]
      supervisor = start_supervised!({Supervisor, [specs, options]} |> spec())
      pids = for {_, pid, _, _} <- Supervisor.which_children(supervisor), do: pid
      for pid <- pids, do: Process.monitor(pid)
      {supervisor, pids}
    end

    # Nothing is about to be copied.
    defp kept(list) do
      :erlang.garbage_collect()
      list
    end

    defp spec({module, arguments}),
      do: %{id: :children, start: {module, :start_link, arguments}, type: :supervisor}

    defp group_ends(root, supervisor) do
      key = {:parent, supervisor}
      rise(root, &match?(%{kind: :group, key: ^key, grown: g} when g > 12 * @mib, &1))
      pass_line(root)

      assert_receive {[:bounded, :watchdog, :report], _,
                      %{outcome: :ended, culprit: %{kind: :group, group: ^key}}},
                     5_000

      FakeGroup.use_bytes(root, @calm)
      assert_receive {[:bounded, :watchdog, :ended], %{processes: processes}, _}
      processes
    end

    test "end no more often than it survives", %{root: root} do
      {supervisor, _pids} = children(:permanent)
      processes = group_ends(root, supervisor)
      assert processes in 1..2
      for _ <- 1..processes, do: assert_receive({:DOWN, _, _, _, :killed})
      eventually(fn -> assert Supervisor.count_children(supervisor).active == 20 end)
      refute_received {:DOWN, _, _, _, _}
    end

    test "end as need be where they are not restarted", %{root: root} do
      {supervisor, _pids} = children(:temporary)
      assert group_ends(root, supervisor) > 2
      assert Process.alive?(supervisor)
    end
  end
end
