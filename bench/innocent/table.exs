defmodule Bench.Innocent.Table do
  # Runs the kinds of work that were asked for, one VM after the other.

  alias Bench.Innocent.{Kind, Kinds}
  alias Bench.Vm

  @switches [runs: :integer, list: :boolean]
  @hangs_ms 600_000

  @doc "Returns the exit status: 1 when work was stopped or reported. `compiled` are the modules that the VMs need."
  def main(arguments, compiled) do
    {options, filters} = OptionParser.parse!(arguments, strict: @switches)

    chosen =
      Kinds.all()
      |> Enum.with_index()
      |> Enum.filter(fn {kind, _} ->
        Kind.here?(kind) and
          (filters == [] or Enum.any?(filters, &String.contains?(kind.name, &1)))
      end)

    cond do
      chosen == [] -> Mix.raise("no kind of work matches")
      options[:list] -> list(chosen)
      true -> Vm.with_machine(compiled, &stopped(&1, chosen, options[:runs] || 200))
    end
  end

  defp list(chosen) do
    for {kind, _} <- chosen, do: IO.puts(kind.name)
    0
  end

  defp stopped(machine, chosen, runs) do
    IO.puts("#{Vm.describe(machine)}. Runs that did not return, of how many; breaches reported\n")

    summary(chosen, fn {kind, index} ->
      case Vm.run(machine, "Bench.Innocent.Probe.main(#{index}, #{runs})", @hangs_ms) do
        {:ok, {outcomes, breaches}} ->
          stopped = not_returned(outcomes)
          why = Kind.documented(kind)

          print(
            kind,
            ["#{total(stopped)} of #{total(outcomes)}"] ++
              reported(breaches) ++ texts(stopped) ++ known(why)
          )

          if why, do: 0, else: total(stopped) + breaches

        trouble ->
          print(kind, ["the VM: #{inspect(trouble)}"])
          1
      end
    end)
  end

  defp summary(chosen, measure) do
    faults = chosen |> Enum.map(measure) |> Enum.count(&(&1 > 0))
    IO.puts("\n#{length(chosen)} kinds of work, #{faults} of them with a fault")
    min(faults, 1)
  end

  defp not_returned(outcomes), do: Map.delete(outcomes, :returned)
  defp total(outcomes), do: outcomes |> Map.values() |> Enum.sum()

  defp reported(0), do: []
  defp reported(breaches), do: ["#{breaches} reported"]

  defp known(nil), do: []
  defp known(why), do: ["documented: #{why}"]

  defp texts(outcomes), do: Enum.map(outcomes, fn {outcome, n} -> "#{n} x #{outcome}" end)

  defp print(kind, parts),
    do: IO.puts(String.pad_trailing(kind.name, 76) <> Enum.join(parts, ", "))
end
