defmodule Demo.Watchdog do
  @moduledoc false
  # Part 4: code that nobody has put a limit around, in a node of its own, with `Quota.Watchdog` and without. `run/3` runs here,
  # `main/1` there.

  import Demo.Terminal, only: [bytes: 1, progress: 2, progress_done: 0]

  alias Demo.{Group, Memory}

  # What each balloon takes, if nobody stops it: more than the control group has.
  @most 400_000_000
  @step 1_000_000
  # Bytes a second.
  @rate 250_000_000
  @rest_ms 3_000

  @balloons ~w(binaries list table)

  def describe, do: "#{length(@balloons)} balloons after one another, of #{bytes(@most)} each"

  @doc "Runs the balloons in a new node of `group`: `%{ended: _, exit_status: _, kills: _, peak: _}`."
  def run(group, watchdog) do
    kills = Group.killed(group)
    node = Demo.Node.start(["balloons", watchdog], group)
    watcher = Memory.watch(node.os_pid)
    progress(0, "no balloon has ended")
    ended = results(node.port, [])
    progress_done()
    samples = Memory.stop(watcher)
    status = Demo.Node.exit_status(node)
    Demo.Node.stop(node)

    run = %{
      title: if(watchdog, do: "with the watchdog", else: "without it"),
      ended: ended,
      exit_status: status,
      kills: Group.killed(group) - kills,
      samples: samples,
      peak: samples |> Enum.map(&elem(&1, 1)) |> Enum.max()
    }

    IO.puts("  #{run.title}: #{fate(run)}")
    run
  end

  def fate(%{kills: 0, ended: ended}),
    do: "#{Enum.join(ended, ", ")} ended by it, the node lives"

  def fate(%{ended: []}), do: "killed by the kernel at the first balloon"
  def fate(%{ended: ended}), do: "killed by the kernel after #{length(ended)} balloons"

  @doc "What is not as it should be."
  def problems(without, with_watchdog) do
    if(without.kills > 0, do: [], else: ["part 4: without the watchdog the node lived"]) ++
      if with_watchdog.kills == 0 and with_watchdog.ended == @balloons,
        do: [],
        else: ["part 4: with the watchdog: #{fate(with_watchdog)}"]
  end

  defp results(port, ended) do
    receive do
      {^port, {:data, {:eol, "ended " <> balloon}}} -> results(port, ended(ended, balloon))
      {^port, {:data, {:eol, "done"}}} -> ended
      {^port, {:data, {:eol, line}}} -> IO.puts("  | " <> line) && results(port, ended)
      {^port, {:exit_status, _} = message} -> send(self(), {port, message}) && ended
    after
      30_000 -> ended
    end
  end

  defp ended(ended, balloon) do
    ended = ended ++ [balloon]
    progress(length(ended) / length(@balloons), "#{Enum.join(ended, ", ")} ended")
    ended
  end

  ## There

  def main(watchdog) do
    # Its report goes to the demo's output, as one line.
    :logger.remove_handler(:default)
    if watchdog, do: {:ok, _} = Quota.Watchdog.start_link(mode: :enforce)
    Process.sleep(500)
    IO.puts("ready #{Memory.resident()}")

    for balloon <- @balloons do
      {_pid, ref} = spawn_monitor(fn -> grow(balloon) end)

      receive do
        {:DOWN, ^ref, _, _, :killed} -> IO.puts("ended #{balloon}")
      end

      # What it had is given back to the system within some seconds.
      Process.sleep(@rest_ms)
    end

    IO.puts("done")
  end

  defp grow("binaries"),
    do: paced([], fn list, _ -> [:binary.copy(<<1>>, @step) | list] end)

  defp grow("list"), do: paced([], fn list, _ -> Enum.reduce(1..62_500, list, &[&1 | &2]) end)

  defp grow("table") do
    table = :ets.new(:balloon, [])

    paced(table, fn table, n ->
      for i <- 1..10_000, do: :ets.insert(table, {n * 10_000 + i, i, i})
      table
    end)
  end

  defp paced(state, add) do
    started = System.monotonic_time(:millisecond)

    Enum.reduce(1..div(@most, @step), state, fn n, state ->
      due = started + div(n * @step * 1_000, @rate)
      Process.sleep(max(due - System.monotonic_time(:millisecond), 0))
      add.(state, n)
    end)
  end
end
