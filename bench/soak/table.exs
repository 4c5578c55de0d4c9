defmodule Bench.Soak.Table do
  # Runs the node, prints its figures and draws them.

  alias Bench.Pool.Chart
  alias Bench.Vm

  @group 256 * 1024 * 1024
  @most_growth 0.05
  @more_ms 300_000
  # A short run takes less on any machine.
  @slowest_run_us 300

  @doc "Returns the exit status."
  def main(arguments, compiled) do
    {options, []} =
      OptionParser.parse!(arguments, strict: [minutes: :float, runs: :integer, chart: :string])

    milliseconds = round((options[:minutes] || 120.0) * 60_000)
    runs = options[:runs] || 10_000_000

    Vm.with_machine(
      compiled,
      fn machine ->
        IO.puts(
          "#{Vm.describe(machine)}: #{div(milliseconds, 1_000)} s of steady load, #{runs} short runs"
        )

        limit = milliseconds + div(runs * @slowest_run_us, 1_000) + @more_ms

        machine
        |> Vm.run("Bench.Soak.Node.main(#{milliseconds}, #{runs})", limit)
        |> report(options[:chart])
      end,
      @group
    )
  end

  defp report({:ok, result}, chart) do
    IO.puts("  answers: #{inspect(result.answers)}")
    if chart && result.samples != [], do: draw(chart, result.samples)

    faults =
      Enum.map(result.faults, &"wrong: #{inspect(&1)}") ++
        trend(result.samples) ++ grown(result.runs)

    Enum.each(faults, &IO.puts/1)
    IO.puts(if faults == [], do: "no fault", else: "#{length(faults)} faults")
    min(length(faults), 1)
  end

  defp report(ended, _chart) do
    IO.puts("the VM did not survive: #{inspect(ended)}")
    1
  end

  defp draw(path, samples) do
    series =
      for {name, index} <- [
            {"resident memory", 1},
            {"in use by the VM", 2},
            {"accounted to quotas", 3}
          ],
          do: {name, Enum.map(samples, &{elem(&1, 0), elem(&1, index)})}

    Chart.write(path, "Steady load, no attacks", series, @group)
    IO.puts("  drawn in #{path}")
  end

  # The first quarter may grow: buffers and caches that are made once.
  defp trend(samples) when length(samples) < 8, do: []

  defp trend(samples) do
    quarter = div(length(samples), 4)

    for {name, index} <- [{"resident memory", 1}, {"memory in use by the VM", 2}],
        before = median(samples, quarter, quarter, index),
        now = median(samples, length(samples) - quarter, quarter, index),
        IO.puts("  #{name}: median of the second quarter #{mib(before)}, of the last #{mib(now)}") ==
          :ok,
        now > before * (1 + @most_growth),
        do: "#{name} has grown from #{mib(before)} to #{mib(now)}"
  end

  defp median(samples, from, count, index) do
    values = samples |> Enum.slice(from, count) |> Enum.map(&elem(&1, index)) |> Enum.sort()
    Enum.at(values, div(count, 2))
  end

  defp grown(nil), do: []

  defp grown({before, now, microseconds}) do
    IO.puts(
      "  short runs: #{div(microseconds, 1_000_000)} s; before #{inspect(before)}; after #{inspect(now)}"
    )

    for {name, count} <- now,
        count > before[name],
        do: "#{name}: #{before[name]} before the runs, #{count} after"
  end

  defp mib(bytes), do: "#{Float.round(bytes / 1_048_576, 1)} MiB"
end
