defmodule Bench.Chaos.Table do
  # Runs the node in its control group and prints what became of it.

  alias Bench.Chaos.{Attacks, Clock}
  alias Bench.Vm

  @group 256 * 1024 * 1024
  @most_growth 0.1
  # Time for the start, the calm round, and everybody's end.
  @more_ms 420_000
  # Few enough to be filled within milliseconds.
  @processes "+P 4096"

  @doc "Returns the exit status."
  def main(arguments, compiled) do
    {options, []} =
      OptionParser.parse!(arguments, strict: [seconds: :integer, seed: :integer, without: :keep])

    seconds = options[:seconds] || 120
    seed = options[:seed] || 1
    without = Keyword.get_values(options, :without)
    ensure_epmd()

    Vm.with_machine(
      compiled,
      fn machine ->
        IO.puts("#{Vm.describe(machine)}: #{seconds} s of chaos, seed #{seed}")

        for {name, why} <- Attacks.impossible(), do: IO.puts("  without #{name}: #{why}")

        call = "Bench.Chaos.Node.main(#{seconds}, #{seed}, #{inspect(without)})"
        limit = round(seconds * 1_100) + @more_ms
        environment = Clock.environment(machine.directory)
        machine |> Vm.run(call, limit, @processes, environment) |> report()
      end,
      @group
    )
  end

  # Outside of the group, which could not be removed while a port mapper is in it.
  defp ensure_epmd do
    epmd =
      System.find_executable("epmd") || hd(Path.wildcard("#{:code.root_dir()}/erts-*/bin/epmd"))

    System.cmd(epmd, ["-daemon", "-address", "127.0.0.1"])
  end

  defp report({:ok, result}) do
    print_counts(result.counts)
    {{before, used_before}, {now, used}} = result.memory
    growth = now / before - 1
    # What the allocators keep depends on where the last blocks happen to lie.
    in_use = growth - (used[:unused] - used_before[:unused]) / before

    IO.puts(
      "resident memory: #{mib(before)} at the start, #{mib(now)} at the end (#{percent(growth)}, and #{percent(in_use)} without what the " <>
        "VM's allocators keep unused); used by the VM: " <> used(used_before, used)
    )

    faults =
      for(fault <- result.faults, do: "wrong: #{shown(fault)}") ++
        for(one <- result.hanging, do: "did not end: #{shown(one)}") ++
        for(
          {what, whose, had, has} <- result.left,
          do: "left: #{what} of #{shown(whose)}: #{had} before, #{has} now"
        ) ++
        for({what, count} <- result.there, count != 0, do: "left there: #{what} #{count}") ++
        if(min(growth, in_use) > @most_growth, do: ["resident memory has grown"], else: [])

    Enum.each(faults, &IO.puts/1)
    IO.puts(if faults == [], do: "no fault", else: "#{length(faults)} faults")
    min(length(faults), 1)
  end

  defp report(ended) do
    IO.puts("the VM did not survive: #{inspect(ended)}")
    1
  end

  defp print_counts(counts) do
    for class <- [:innocent, :victim] do
      verdicts = for {{^class, _setting, verdict}, count} <- counts, do: {verdict, count}
      IO.puts("  #{class}: #{sums(verdicts)}")
    end

    settings =
      for {{class, setting, _}, count} <- counts,
          class in [:innocent, :victim],
          do: {setting, count}

    IO.puts("  by setting: #{sums(settings)}")
    IO.puts("  attacks: #{sums(for {{:attack, name}, count} <- counts, do: {name, count})}")
    IO.puts("  rogues: #{sums(for {name, count} <- counts, is_atom(name), do: {name, count})}")
  end

  defp sums(pairs) do
    pairs
    |> Enum.reduce(%{}, fn {name, count}, sums -> Map.update(sums, name, count, &(&1 + count)) end)
    |> Enum.sort()
    |> Enum.map_join(", ", fn {name, count} -> "#{count} #{name}" end)
  end

  # What changed most first.
  defp used(before, now) do
    for(
      kind <- [:unused, :total, :processes, :binary, :ets, :code, :atom, :system],
      do: {kind, now[kind] - before[kind]}
    )
    |> Enum.sort_by(fn {_kind, change} -> -abs(change) end)
    |> Enum.map_join(", ", fn {kind, change} ->
      "#{kind} #{if change >= 0, do: "+"}#{mib(change)}"
    end)
  end

  defp mib(bytes), do: "#{Float.round(bytes / 1_048_576, 1)} MiB"
  defp percent(ratio), do: "#{if ratio >= 0, do: "+"}#{Float.round(100 * ratio, 1)} %"
  defp shown(term), do: term |> inspect(limit: 40, printable_limit: 200) |> String.slice(0, 1_500)
end
