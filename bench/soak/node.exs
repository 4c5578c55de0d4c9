defmodule Bench.Soak.Node do
  # The node that is watched.

  alias Bench.Chaos.{Clients, Names, Requests}
  alias Bounded.Native

  @mib 1024 * 1024
  @clients 6
  @sample_ms 1_000
  # Runs that are started before anything is counted.
  @first_runs 20_000

  @doc "Hands over `%{samples:, faults:, answers:, runs:}`."
  def main(milliseconds, runs) do
    Logger.configure(level: :none)
    Process.flag(:priority, :high)
    Names.load_code()
    Requests.prepare(File.cwd!())
    Clients.init()

    {:ok, _} =
      Supervisor.start_link(
        [{Quota.Pool, name: Names.pool(), size: 56 * @mib}, {Quota.Cluster, pool: Names.pool()}],
        strategy: :one_for_one
      )

    samples = if milliseconds > 0, do: steady(milliseconds), else: []
    figures = if runs > 0, do: short_runs(runs)

    answers =
      for {{_, _, verdict}, count} <- Clients.counts(),
          reduce: %{},
          do: (sums -> Map.update(sums, verdict, count, &(&1 + count)))

    Bench.Vm.return(%{samples: samples, faults: Clients.faults(), answers: answers, runs: figures})
  end

  defp steady(milliseconds) do
    kinds = Requests.kinds() ++ Clients.balloons()

    clients =
      for n <- 1..@clients, do: spawn_monitor(fn -> Clients.innocent(n, Names.pool(), kinds) end)

    started = now()
    samples = sample(started, started + milliseconds, [])
    Clients.stop()
    for {_, ref} <- clients, do: receive(do: ({:DOWN, ^ref, _, _, :normal} -> :ok))
    samples
  end

  # `{milliseconds, resident, used by the VM, accounted}`: bytes.
  defp sample(started, until, samples) do
    if now() < until do
      {{_heap, _binaries, _native, total, _peak}, _orphaned, _attached} = Native.node_usage()
      sample = {now() - started, resident(), :erlang.memory(:total), total}
      Process.sleep(@sample_ms)
      sample(started, until, [sample | samples])
    else
      Enum.reverse(samples)
    end
  end

  defp resident do
    [_, kilobytes] = Regex.run(~r/VmRSS:\s+(\d+)/, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end

  ## Short runs

  # `{before, after, microseconds}`.
  defp short_runs(runs) do
    run(@first_runs)
    before = counts()
    {microseconds, _} = :timer.tc(fn -> run(runs) end)
    {before, counts(), microseconds}
  end

  defp run(runs) do
    callers = 2 * System.schedulers_online()
    refs = for _ <- 1..callers, do: elem(spawn_monitor(fn -> each(div(runs, callers)) end), 1)
    for ref <- refs, do: receive(do: ({:DOWN, ^ref, _, _, :normal} -> :ok))
  end

  defp each(0), do: :ok

  defp each(left) do
    :ok = Quota.run(@mib, fn -> :ok end)
    each(left - 1)
  end

  defp counts do
    Process.sleep(2_000)
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    {{_, _, native, total, _}, orphaned, attached} = Native.node_usage()

    %{
      atoms: :erlang.system_info(:atom_count),
      atom_bytes: :erlang.memory(:atom_used),
      nodes: length(:erlang.nodes(:known)),
      processes: :erlang.system_info(:process_count),
      ports: :erlang.system_info(:port_count),
      persistent_terms: :persistent_term.info().count,
      tables: length(:ets.all()),
      rows:
        Enum.sum(
          for table <- :ets.all(), size = :ets.info(table, :size), is_integer(size), do: size
        ),
      accounted: native + total + orphaned + attached
    }
  end

  defp now, do: System.monotonic_time(:millisecond)
end
