defmodule Bounded.Test.Faults do
  @moduledoc false
  # What goes wrong on real nodes, planted.

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

  def flooded_mailbox do
    pid = spawn_ready(fn ready -> ready.() end)
    for n <- 1..20_000, do: send(pid, {:nobody_matches, n})
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
