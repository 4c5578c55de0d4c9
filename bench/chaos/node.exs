defmodule Bench.Chaos.Node do
  # The node that is attacked: a first round, the state that it leaves, the round that counts, and what is left of that.

  alias Bench.Chaos.{Attacks, Clients, Left, Names, Operator, Peer, Requests, Victims}

  @mib 1024 * 1024
  @innocents 6
  @victims 4
  # The first round takes a quarter of the time of the one that counts, and at least this.
  @warm_up_ms 15_000
  # Longer than a request may wait for anything.
  @ending_ms 180_000

  def main(seconds, seed, without) do
    Logger.configure(level: :none)
    Process.flag(:priority, :high)
    directory = File.cwd!()
    Names.load_code()
    Requests.prepare(directory)
    Clients.init()
    :ok = Peer.serve(children(56))
    peer = Peer.start(children(24), directory)
    # What the other node has taken by now did not grow.
    :ok = Peer.serve([watchdog()])

    round(max(seconds * 250, @warm_up_ms), seed, without)
    :ets.delete_all_objects(:chaos_counts)
    start = Left.snapshot()
    start_memory = {resident, _used} = Left.resident()

    hanging = round(seconds * 1_000, seed + 1, without)
    left = Left.more(start)

    Bench.Vm.return(%{
      counts: Clients.counts(),
      faults: Clients.faults(),
      hanging: hanging,
      left: left,
      memory: {start_memory, Left.resident(round(resident * 1.1))},
      there:
        :peer.call(peer, Quota.Pool, :info, [Names.pool()]) |> Map.take([:reserved, :running])
    })
  end

  defp watchdog,
    do: {Quota.Watchdog, mode: :enforce, kill_at: 0.85, handle: &Attacks.watchdog_ends/1}

  defp children(megabytes) do
    [
      {Quota.Pool, name: Names.pool(), size: megabytes * @mib},
      {Quota.Cluster, pool: Names.pool()}
    ]
  end

  # Returns what did not end.
  defp round(milliseconds, seed, without) do
    Clients.go()
    ends = System.monotonic_time(:millisecond) + milliseconds

    everyone =
      for(n <- 1..@innocents, do: start(fn -> Clients.innocent(seed * 100 + n, Names.pool()) end)) ++
        [start(fn -> Victims.keep(@victims, Names.pool()) end)] ++
        for(
          {name, _, _} = attack <- Attacks.all(Names.pool()),
          made?(name, without),
          do: start(fn -> Attacks.repeat(attack) end)
        ) ++
        [
          start(fn ->
            Names.pool()
            |> Operator.all()
            |> Enum.filter(&made?(elem(&1, 0), without))
            |> Operator.work()
          end)
        ]

    crashed = watch(everyone, ends)
    Clients.stop()
    deadline = System.monotonic_time(:millisecond) + @ending_ms
    crashed ++ Enum.flat_map(everyone -- crashed, &ended(&1, deadline))
  end

  defp made?(name, without),
    do: name not in without and not List.keymember?(Attacks.impossible(), name, 0)

  defp start(fun), do: spawn_monitor(fun)

  # Nobody may end before the time is up.
  defp watch(everyone, ends) do
    receive do
      {:DOWN, _, _, pid, reason} ->
        Clients.fault({:ended, reason})
        [List.keyfind(everyone, pid, 0) | watch(everyone, ends)]
    after
      max(ends - System.monotonic_time(:millisecond), 0) -> []
    end
  end

  defp ended({pid, ref}, deadline) do
    receive do
      {:DOWN, ^ref, _, _, :normal} -> []
      {:DOWN, ^ref, _, _, reason} -> [reason]
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        [Process.info(pid, [:current_stacktrace, :monitors, :messages, :status])]
    end
  end
end
