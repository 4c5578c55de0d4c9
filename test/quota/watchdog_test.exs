defmodule Quota.WatchdogTest do
  # The watchdog looks at every process of the node, and its events have one handler.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  import ExUnit.CaptureLog

  alias Bounded.Test.{FakeGroup, Telemetry}
  alias Quota.Watchdog

  # What the watchdog logs.
  @moduletag :capture_log

  doctest Watchdog

  defmodule Server do
    use GenServer

    def start_link(_), do: GenServer.start_link(__MODULE__, nil)
    def init(nil), do: {:ok, nil}
    def handle_call(message, _from, nil), do: {:reply, message, nil}
  end

  @mib 1024 * 1024
  @limit 1_024 * @mib
  @calm 770 * @mib
  # More than 85 % of the line. What the collections of a process of `grown/2` are about to take, 60 MiB, counts as taken and fits
  # below the line.
  @raised 785 * @mib
  # Above the line of 0.9, by little: a culprit has a sixth of what the node grew.
  @over 925 * @mib

  setup context do
    Telemetry.forward(self())
    root = FakeGroup.create(@limit)

    case context[:watchdog] do
      false -> FakeGroup.use_bytes(root, @calm)
      options -> FakeGroup.watch(root, @calm, @raised, options || [])
    end

    {:ok, root: root}
  end

  # A process that holds a list of `mib`, and ends with the test.
  defp grown(mib, before \\ fn -> :ok end) do
    test = self()

    pid =
      spawn(fn ->
        before.()
        list = Enum.to_list(1..(mib * 45_000))
        send(test, {:grown, self()})
        Process.sleep(:infinity)
        send(test, list)
      end)

    on_exit(fn -> Process.exit(pid, :kill) end)
    assert_receive {:grown, ^pid}
    pid
  end

  # Usage rises as what grew would make it.
  defp pass_line(root) do
    # The watchdog looks at processes when the usage has risen.
    eventually(fn -> assert Watchdog.status().grew != [] end)
    FakeGroup.use_bytes(root, @over)
  end

  defp dead(pid), do: eventually(fn -> refute Process.alive?(pid) end)

  test "ends what grew, and nothing else", %{root: root} do
    bystander = grown(1)
    culprit = grown(30)
    pass_line(root)
    dead(culprit)
    FakeGroup.use_bytes(root, @calm)
    assert_receive {[:bounded, :watchdog, :ended], %{processes: 1, returned: returned}, _}
    assert returned > 50 * @mib
    assert Process.alive?(bystander)
    assert Watchdog.status().ended == 1
  end

  test "reports before it ends", %{root: root} do
    culprit = grown(30, fn -> Process.register(self(), :watchdog_culprit) end)
    pass_line(root)
    assert_receive {[:bounded, :watchdog, :report], figures, report}
    assert %{used: @over, limit: @limit} = figures
    assert %{outcome: :ended, enforced: true, culprit: %{pid: ^culprit, kind: :process}} = report
    assert report.culprit.name == :watchdog_culprit
    assert report.culprit.grown > 13 * @mib
    assert [{Process, :sleep, 1, _} | _] = report.culprit.stack
    assert byte_size(report.text) < 65_536
    assert report.text =~ ":watchdog_culprit"
    assert report.text =~ "in use 925 MiB of 1 GiB"
  end

  @tag watchdog: [mode: :observe]
  test "ends nothing with mode: :observe, and reports once", %{root: root} do
    culprit = grown(30)
    pass_line(root)

    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :observed} = report}
    assert report.culprit.pid == culprit
    refute report.enforced
    refute_receive {[:bounded, :watchdog, :report], _, %{outcome: :observed}}, 100
    assert Process.alive?(culprit)
  end

  @tag watchdog: [protect: [:watchdog_protected]]
  test "ends no protected process, and says that it ends nothing", %{root: root} do
    protected = grown(30, fn -> Process.register(self(), :watchdog_protected) end)
    pass_line(root)
    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :nothing_to_end}}
    assert Process.alive?(protected)
  end

  @tag watchdog: [handle: &__MODULE__.refuse/1]
  test "asks the function given with handle:", %{root: root} do
    :persistent_term.put(__MODULE__, self())
    culprit = grown(30)
    pass_line(root)
    assert_receive {:asked, %{culprit: %{pid: ^culprit}, figures: %{limit: @limit}}}
    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :refused}}
    assert Process.alive?(culprit)
  after
    :persistent_term.erase(__MODULE__)
  end

  def refuse(choice) do
    send(:persistent_term.get(__MODULE__), {:asked, choice})
    :refuse
  end

  test "ends the owner of an ETS table that grew", %{root: root} do
    test = self()

    owner =
      spawn(fn ->
        table = :ets.new(:watchdog_table, [:public])
        send(test, {:table, table})
        Process.sleep(:infinity)
      end)

    on_exit(fn -> Process.exit(owner, :kill) end)
    assert_receive {:table, table}
    for i <- 1..20_000, do: :ets.insert(table, {i, List.duplicate(i, 150)})
    pass_line(root)
    dead(owner)

    assert_receive {[:bounded, :watchdog, :report], _, %{culprit: %{pid: ^owner} = culprit}},
                   5_000

    # As many as there were at the census's last look.
    assert %{name: :watchdog_table, rows: rows} = culprit.table
    assert rows in 1_000..20_000
  end

  test "ends the user of a port program that grew", %{root: root} do
    test = self()

    user =
      spawn(fn ->
        # Keeps all that it has read.
        tail = {:spawn_executable, System.find_executable("tail")}
        port = Port.open(tail, args: ["-n", "100000000"])
        line = String.duplicate("x", 1_023) <> "\n"
        for _ <- 1..40, do: Port.command(port, List.duplicate(line, 1_024))
        {:os_pid, os_pid} = Port.info(port, :os_pid)
        send(test, {:program, os_pid})
        Process.sleep(:infinity)
      end)

    on_exit(fn -> Process.exit(user, :kill) end)
    assert_receive {:program, os_pid}
    eventually(fn -> assert resident(os_pid) > 35 * @mib end, 5_000)

    eventually(fn ->
      assert Enum.any?(Watchdog.status().grew, &(&1.kind == :port and &1.pid == user))
    end)

    FakeGroup.use_bytes(root, @over)
    dead(user)

    assert_receive {[:bounded, :watchdog, :report], _, %{culprit: %{pid: ^user, kind: :port}}},
                   5_000
  end

  defp resident(os_pid),
    do:
      Bounded.KernelFile.bytes(Bounded.KernelFile.read("/", "proc/#{os_pid}/status"), "VmRSS") ||
        0

  @tag watchdog: [per_minute: 1]
  test "ends no more than per_minute:, and says so", %{root: root} do
    first = grown(30)
    second = grown(30)
    pass_line(root)
    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :ended}}
    FakeGroup.use_bytes(root, @calm)
    assert_receive {[:bounded, :watchdog, :ended], _, _}
    FakeGroup.use_bytes(root, @over)
    assert_receive {[:bounded, :watchdog, :paused], _, %{per_minute: 1}}
    assert Enum.count([first, second], &Process.alive?/1) == 1
  end

  test "collects garbage first where there is time, and then needs to end nothing", %{root: root} do
    test = self()

    holder =
      spawn(fn ->
        list = for _ <- 1..60, do: :binary.copy(<<1>>, @mib)
        :erlang.garbage_collect()
        send(test, {:made, length(list)})
        Process.sleep(:infinity)
      end)

    on_exit(fn -> Process.exit(holder, :kill) end)
    assert_receive {:made, 60}
    eventually(fn -> assert Enum.any?(Watchdog.status().grew, &(&1[:pid] == holder)) end)
    # A usage that rises slowly leaves time.
    for mib <- 786..918//4, do: settled(root, mib * @mib)
    FakeGroup.use_bytes(root, 923 * @mib)

    assert_receive {[:bounded, :watchdog, :collected], %{returned: returned}, %{pid: ^holder}},
                   5_000

    assert returned > 50 * @mib
  end

  defp settled(root, bytes) do
    FakeGroup.use_bytes(root, bytes)

    eventually(fn ->
      assert %{used: ^bytes, growth: growth} = Watchdog.status()
      assert growth < 60 * @mib
    end)
  end

  test "reports from 95 % of the limit on, even if nothing grew", %{root: root} do
    FakeGroup.use_bytes(root, 980 * @mib)
    assert_receive {[:bounded, :watchdog, :report], _, %{culprit: nil} = report}
    assert report.outcome in [:critical, :nothing_to_end]
  end

  @tag watchdog: [kill_at: 100 * @mib]
  test "kill_at: takes bytes that are to be left" do
    assert Watchdog.status().line == 924 * @mib
  end

  @tag watchdog: false
  test "does not start where the system tells nothing" do
    Process.flag(:trap_exit, true)
    root = Path.join(System.tmp_dir!(), "bounded_nothing_#{System.unique_integer([:positive])}")
    log = capture_log(fn -> send(self(), Watchdog.start_link(root: root)) end)
    assert_receive {:error, {%ArgumentError{} = error, []}}

    assert Exception.message(error) =~
             "reports neither a control group's memory nor /proc/meminfo"

    assert log == "" or log =~ "Quota.Watchdog"
  end

  describe "limit/2" do
    setup do
      Application.put_env(:bounded, :log_breaches, false)
      :ok
    end

    defp waiting(register) do
      pid =
        spawn(fn ->
          register.()

          receive do
            :grow -> Enum.to_list(1..8_000_000) |> Enum.sum()
          end
        end)

      on_exit(fn -> Process.exit(pid, :kill) end)
      pid
    end

    test "limits a process by its name" do
      pid = waiting(fn -> Process.register(self(), :watchdog_limited) end)
      :ok = Watchdog.limit(:watchdog_limited, 16 * @mib)
      eventually(fn -> assert Bounded.Native.in_quota(pid) end, 5_000)
      ref = Process.monitor(pid)
      send(pid, :grow)
      assert_receive {:DOWN, ^ref, _, _, :killed}

      assert_receive {[:bounded, :quota, :breach], _, %{pid: ^pid, label: :watchdog_limited}},
                     5_000
    end

    test "limits processes by their parent, and leaves others" do
      :ok = Watchdog.limit({:ancestor, self()}, 16 * @mib)
      pid = waiting(fn -> :ok end)
      eventually(fn -> assert Bounded.Native.in_quota(pid) end, 5_000)
      refute Bounded.Native.in_quota(self())
    end

    test "limits processes by what :proc_lib started them for" do
      :ok = Watchdog.limit({__MODULE__.Server, :init, 1}, 16 * @mib)
      server = start_supervised!(__MODULE__.Server)
      eventually(fn -> assert Bounded.Native.in_quota(server) end, 5_000)
      assert GenServer.call(server, :answer) == :answer
    end

    test "limits no longer what is given no limit, and minds no stray message" do
      :ok = Watchdog.limit(:watchdog_unlimited, 16 * @mib)
      :ok = Watchdog.limit(:watchdog_unlimited, :infinity)
      pid = waiting(fn -> Process.register(self(), :watchdog_unlimited) end)
      watchdog = :persistent_term.get(Bounded.Facts.Watchdog)
      send(watchdog, :stray)
      GenServer.cast(watchdog, :stray)
      # A pass of the census is over.
      Process.sleep(300)
      assert %{mode: _} = Watchdog.status()
      assert Process.alive?(watchdog)
      refute Bounded.Native.in_quota(pid)
    end

    test "raises for what is no matcher" do
      assert_raise ArgumentError, ~r/expected a registered name/, fn ->
        Watchdog.limit("name", 16 * @mib)
      end

      assert_raise ArgumentError, fn -> Watchdog.limit(:name, -1) end
    end
  end
end
