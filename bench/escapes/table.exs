defmodule Bench.Escapes.Table do
  # Measures the rows that were asked for, one VM after the other.

  alias Bench.Escapes.{Report, Row, Rows}
  alias Bench.Vm

  # Longer than the time limit of any row. A VM that takes longer hangs.
  @hangs_ms 90_000

  @doc "Returns the exit status: 1 when a row has a fault. `compiled` are the modules that the VMs need."
  def main(arguments, compiled) do
    {options, filters} =
      OptionParser.parse!(arguments, strict: [runs: :integer, kind: :string, list: :boolean])

    chosen =
      Rows.all()
      |> Enum.with_index()
      |> Enum.filter(fn {row, _} -> chosen?(row, options[:kind], filters) end)

    cond do
      chosen == [] -> Mix.raise("no row matches")
      options[:list] -> list(chosen)
      true -> Vm.with_machine(compiled, &measure(&1, chosen, options[:runs] || 3))
    end
  end

  defp chosen?(row, kind, filters) do
    Row.here?(row) and (kind == nil or "#{row.kind}" == kind) and
      (filters == [] or Enum.any?(filters, &String.contains?(row.name, &1)))
  end

  defp list(chosen) do
    for {row, _} <- chosen, do: IO.puts("#{row.kind}: #{row.name}")
    0
  end

  defp measure(machine, chosen, runs) do
    IO.puts(
      "#{Vm.describe(machine)}. Median of #{runs}: peak of resident memory\n" <>
        "over the baseline, times the limit; the figure that the row is held to; time; outcome."
    )

    chosen
    |> Enum.chunk_by(fn {row, _} -> row.kind end)
    |> Enum.flat_map(fn [{%{kind: kind}, _} | _] = rows ->
      Report.heading(kind)
      Enum.map(rows, &measured(machine, &1, runs))
    end)
    |> Report.summary()
    |> min(1)
  end

  defp measured(machine, {row, index}, runs) do
    verdict = Report.judge(row, for(_ <- 1..runs, do: probe(machine, index)))
    Report.print(row, verdict)
    verdict
  end

  # `{bytes, milliseconds, outcome}`.
  defp probe(machine, index) do
    case Vm.run(machine, "Bench.Escapes.Probe.main(#{index})", @hangs_ms) do
      {:ok, figures} -> figures
      {:died, why} -> {:infinity, 0, {:died, why}}
      :hung -> {:infinity, @hangs_ms, :hung}
    end
  end
end
