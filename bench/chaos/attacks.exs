defmodule Bench.Chaos.Attacks do
  # What is done to the node all the time, each by a process of its own.

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  alias Bench.Chaos.{Clients, Clock, Victims}
  alias Quota.Watch.OrphanMonitor

  @mib 1024 * 1024

  @doc "`{name, milliseconds between two attacks, fun}`."
  def all(pool) do
    [
      {"kill", 4, &kill/0},
      {"kill_monitor", 100, fn -> kill_named(OrphanMonitor) end},
      {"suspend", 2, fn -> suspend(pool) end},
      {"trace", 10, fn -> trace(pool) end},
      {"priority", 150, &priority/0},
      {"collect", 60, &collect/0},
      {"rogue", 6_000, &rogue/0}
    ]
  end

  @doc "`{name, why}` of what cannot be done here, the operator's part of it as well."
  def impossible do
    [
      {"suspend", Bounded.Vm.resumes?(),
       "on this release a process that was suspended may never wake (see Bounded.Vm.resumes?/0)"},
      {"clock", Clock.jumps?(), "libfaketime is absent (Debian's package faketime)"}
    ]
    |> Enum.flat_map(fn {name, possible?, why} -> if possible?, do: [], else: [{name, why}] end)
  end

  @doc "Repeats an attack until the clients are to end."
  def repeat({name, every, fun}) do
    unless Clients.stop?() do
      try do
        fun.()
        :ets.update_counter(:chaos_counts, {:attack, name}, 1, {{:attack, name}, 0})
      rescue
        SystemLimitError -> :ok
      end

      Process.sleep(:rand.uniform(2 * every))
      repeat({name, every, fun})
    end
  end

  # A victim, its worker, its guard, or one of its watchers.
  defp kill do
    with victim when victim != nil <- Victims.random(),
         do: Process.exit(Enum.random([victim | Victims.helpers(victim)]), :kill)
  end

  defp kill_named(name) do
    with pid when pid != nil <- Process.whereis(name), do: Process.exit(pid, :kill)
  end

  # Any client or what works for it, the pool, or the orphan monitor.
  defp suspend(pool) do
    with pid when pid != nil <- anyone(pool) do
      if Bounded.Vm.suspend(pid) do
        Process.sleep(:rand.uniform(8) - 1)
        Bounded.Vm.resume(pid)
      end
    end
  end

  defp anyone(pool) do
    others = for name <- [pool, OrphanMonitor], pid = Process.whereis(name), do: pid

    case Victims.client() do
      nil -> nil
      client -> Enum.random([client | others ++ Victims.helpers(client)])
    end
  end

  # As a person with a shell does it. Not collections: on OTP 27 to 29 the VM itself crashes when two sessions trace them.
  defp trace(pool) do
    with pid when pid != nil <- anyone(pool) do
      flags = Enum.take_random([:procs, :send, :receive, :running, :set_on_spawn], 3)

      try do
        :erlang.trace(pid, true, flags)
        Process.sleep(:rand.uniform(8) - 1)
      rescue
        # It is dead, or somebody else traces it.
        ArgumentError -> :ok
      end

      untrace()
    end
  end

  # Also what its processes have started meanwhile. Nobody reads the messages.
  defp untrace do
    :erlang.trace(:processes, false, [:procs, :send, :receive, :running, :set_on_spawn])
    drop()
  end

  defp drop do
    receive do
      _ -> drop()
    after
      0 -> :ok
    end
  end

  # Every scheduler is kept from lower priorities.
  defp priority do
    until = now() + :rand.uniform(30)

    for _ <- 1..System.schedulers_online(),
        do: :erlang.spawn_opt(fn -> spin(until) end, priority: :max)
  end

  defp spin(until), do: if(now() < until, do: spin(until), else: :ok)

  defp collect, do: Enum.each(Process.list(), &:erlang.garbage_collect/1)

  # What no quota limits: the watchdog's part.
  defp rogue do
    {pid, ref} = spawn_monitor(fn -> swell([], 0) end)
    :persistent_term.put(__MODULE__, pid)

    receive do
      {:DOWN, ^ref, _, ^pid, :killed} -> count(:rogue_ended)
      {:DOWN, ^ref, _, ^pid, :normal} -> count(:rogue_done)
      {:DOWN, ^ref, _, ^pid, reason} -> Clients.fault({:rogue, reason})
    end
  end

  @doc "What the watchdog asks before it ends something: is it the rogue, or work over a quota?"
  def watchdog_ends(%{culprit: culprit}) do
    rogue = :persistent_term.get(__MODULE__, nil)

    unless culprit.kind == :quota or culprit[:pid] == rogue,
      do: Clients.fault({:watchdog, culprit})

    :end
  end

  defp swell(kept, size) when size > 512 * @mib, do: length(kept)

  defp swell(kept, size) do
    Process.sleep(20)
    swell([:binary.copy(<<1>>, @mib) | kept], size + @mib)
  end

  defp count(name), do: :ets.update_counter(:chaos_counts, name, 1, {name, 0})

  defp now, do: System.monotonic_time(:millisecond)
end
