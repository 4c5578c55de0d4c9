defmodule Bounded.Test.Faults do
  @moduledoc false
  # What goes wrong on real nodes, planted.

  alias Bounded.Facts.Live

  @mib 1024 * 1024

  @doc "Passes on a batch of large messages, lets go of them, and has no reason to collect."
  def leaking_router do
    spawn_ready(fn ready ->
      Process.register(self(), :leaking_router)
      batch = for _ <- 1..60, do: :binary.copy("x", @mib)
      :erlang.garbage_collect()
      sink = spawn(fn -> Enum.each(1..60, fn _ -> receive do: (_ -> :ok) end) end)
      Enum.each(batch, &send(sink, &1))
      ready.()
    end)
  end

  @doc "Binaries that its heap references after a full collection."
  def binaries_in_use do
    spawn_ready(fn ready ->
      Process.register(self(), :binaries_in_use)
      Process.put(:kept, for(_ <- 1..100, do: :binary.copy("x", @mib)))
      :erlang.garbage_collect()
      for _ <- 1..3, do: work(100)
      ready.()
    end)
  end

  # Minor collections, after which nobody can tell what is in use.
  defp work(rounds), do: for(_ <- 1..rounds, do: Enum.sum(Enum.to_list(1..1_000)))

  def large_messages do
    pid = spawn_ready(fn ready -> ready.() end)
    for _ <- 1..100, do: send(pid, :binary.copy("x", @mib))
    pid
  end

  def many_alike do
    for _ <- 1..200 do
      spawn_ready(fn ready ->
        Process.put(:kept, Enum.to_list(1..60_000))
        ready.()
      end)
    end

    :ok
  end

  def equal_tables do
    spawn_ready(fn ready ->
      for _ <- 1..8 do
        table = :ets.new(:sessions, [])
        for n <- 1..60_000, do: :ets.insert(table, {n, "a small row"})
      end

      ready.()
    end)
  end

  def rows_of_binaries do
    spawn_ready(fn ready ->
      table = :ets.new(:pages, [])
      for n <- 1..2_000, do: :ets.insert(table, {n, :binary.copy("x", 50_000)})
      :erlang.garbage_collect()
      ready.()
    end)
  end

  def persistent_terms, do: :persistent_term.put(:planted, Enum.to_list(1..5_000_000))

  @doc "`awk` with a large array, until its port is closed. Returns its process id."
  def child_program do
    test = self()
    args = ["BEGIN { while (i < 2500000) a[i++] = i; getline }"]

    spawn_ready(fn ready ->
      port = Port.open({:spawn_executable, System.find_executable("awk")}, args: args)
      {:os_pid, os_pid} = Port.info(port, :os_pid)
      send(test, {:os_pid, os_pid})
      ready.()
    end)

    receive(do: ({:os_pid, os_pid} -> os_pid))
  end

  def flooded_mailbox do
    pid = spawn_ready(fn ready -> ready.() end)
    for n <- 1..20_000, do: send(pid, {:nobody_matches, n})
    pid
  end

  @doc "A process with a large heap, to which few and small messages wait."
  def large_with_few_messages do
    pid =
      spawn_ready(fn ready ->
        Process.put(:held, Enum.to_list(1..2_100_000))
        :erlang.garbage_collect()
        ready.()
      end)

    for n <- 1..12, do: send(pid, {:soon, n})
    pid
  end

  @doc "A process of which a few messages without binaries are large."
  def few_large_messages do
    pid = spawn_ready(fn ready -> ready.() end)
    for _ <- 1..12, do: send(pid, Enum.to_list(1..200_000))
    pid
  end

  @doc "Of many binaries a few are kept, in every carrier."
  def fragmented_allocator do
    spawn_ready(fn ready ->
      all = for n <- 1..20_000, do: {n, :binary.copy("x", 8_000)}
      kept = for {n, binary} <- all, rem(n, 20) == 0, do: binary
      Process.put(:kept, kept)
      :erlang.garbage_collect()
      ready.()
    end)
  end

  def growing_table do
    spawn_ready(fn ready ->
      table = :ets.new(:growing_table, [:named_table])
      for n <- 1..1_000_000, do: :ets.insert(table, {n, "a small row"})
      ready.()
    end)
  end

  @doc "A quota and a pool at work, and a process that grows without end, up to 512 MiB."
  def busy_with_quotas do
    {:ok, pool} = Quota.Pool.start_link(name: :top_pool, size: 256 * @mib)
    Process.unlink(pool)

    spawn_ready(fn ready ->
      Quota.run(
        64 * @mib,
        fn ->
          kept = BoundedBinary.copy(:binary.copy("x", 4 * @mib))
          ready.()
          Process.sleep(:infinity)
          kept
        end,
        pool: :top_pool,
        label: "the import"
      )
    end)

    spawn_ready(fn ready ->
      Process.register(self(), :growing)
      ready.()

      Enum.reduce(1..5_000, [], fn _, kept ->
        Process.sleep(10)
        [Enum.to_list(1..6_000) | kept]
      end)
    end)
  end

  @doc "What ports of another node are called, and something that is none."
  def asked_remotely(node) do
    probe = Bounded.Facts.Probe.new(node)
    items = ["no port" | Bounded.Facts.Probe.call(probe, :erlang, :ports, [])]

    probe
    |> Bounded.Facts.Probe.reduce(items, &:erlang.port_info/2, :name, [], &[&1 | &2])
    |> Enum.reverse()
  end

  def read_remotely(node, path),
    do: Bounded.KernelFile.read(Bounded.Facts.Probe.new(node).root, path)

  @doc "Starts a watchdog of this node, which outlives the caller."
  def watched do
    {:ok, watchdog} = Quota.Watchdog.start_link()
    Process.unlink(watchdog)
  end

  @doc "Looks at a node `looks` times, as `mix bounded.top` does: `{looks, milliseconds}`."
  def watch(node, interval_ms, looks) do
    started = System.monotonic_time(:millisecond)

    Enum.reduce(1..looks, Live.new(node, interval_ms), fn _, live ->
      {_, live} = Live.look(live)
      Process.sleep(Live.pause_ms(live))
      live
    end)

    {looks, System.monotonic_time(:millisecond) - started}
  end

  @doc "Atoms of input, up to four fifths of the limit."
  def many_atoms do
    more = div(:erlang.system_info(:atom_limit) * 4, 5) - :erlang.system_info(:atom_count)
    for(i <- 1..more, do: :"planted_#{i}") |> length()
  end

  @doc "Runs in a pool when no process can be started: what came of it, and what the pool then says."
  def run_without_processes do
    {:ok, _} = Quota.Pool.start_link(name: :crowded, size: 16 * @mib)
    crowd = crowd([])

    outcome =
      try do
        Quota.run(@mib, fn -> :ok end, pool: :crowded)
      rescue
        error -> error.__struct__
      end

    info = Quota.Pool.info(:crowded)
    Enum.each(crowd, &Process.exit(&1, :kill))
    {outcome, info}
  end

  defp crowd(pids) do
    started =
      try do
        spawn(fn -> Process.sleep(:infinity) end)
      rescue
        SystemLimitError -> nil
      end

    if started, do: crowd([started | pids]), else: pids
  end

  def orphan do
    spawn_ready(fn ready ->
      Process.put(
        :kept,
        Quota.run(100 * @mib, fn -> BoundedBinary.copy(:binary.copy("x", 20 * @mib)) end)
      )

      ready.()
    end)
  end

  def huge_process do
    spawn_ready(fn ready ->
      Process.put(:kept, Enum.to_list(1..10_000_000))
      ready.()
    end)
  end

  def idle_processes(n) do
    for _ <- 1..n, do: spawn(fn -> Process.sleep(:infinity) end)
    n
  end

  @doc "Examines this node; what that took, in milliseconds of CPU time and bytes of its process at most."
  def cost do
    {before, _} = :erlang.statistics(:runtime)
    {:ok, reporter} = Task.start(fn -> receive(do: (:go -> Bounded.Doctor.examine())) end)
    monitor = Process.monitor(reporter)
    send(reporter, :go)
    bytes = peak(reporter, monitor, 0)
    {now, _} = :erlang.statistics(:runtime)
    {now - before, bytes}
  end

  defp peak(reporter, monitor, peak) do
    receive do
      {:DOWN, ^monitor, _, _, :normal} -> peak
    after
      5 ->
        case Process.info(reporter, :memory) do
          {:memory, bytes} -> peak(reporter, monitor, max(peak, bytes))
          nil -> peak(reporter, monitor, peak)
        end
    end
  end

  # A process that goes on living, once it says that it is ready.
  defp spawn_ready(fun) do
    caller = self()
    ref = make_ref()

    pid =
      spawn(fn ->
        fun.(fn -> send(caller, ref) end)
        receive do: (:never -> :ok)
      end)

    receive do: (^ref -> pid)
  end
end
