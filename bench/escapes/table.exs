defmodule Bench.Escapes.Table do
  # Measures the rows that were asked for, one VM after the other.

  alias Bench.Escapes.{Report, Row, Rows, Runner}

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
      true -> Runner.with_machine(compiled, &measure(&1, chosen, options[:runs] || 3))
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
      "#{Date.utc_today()}, OTP #{System.otp_release()}, Elixir #{System.version()}, " <>
        "#{System.schedulers_online()} schedulers, #{Runner.describe(machine)}. Median of #{runs}: peak of " <>
        "resident memory\nover the baseline, times the limit; the figure that the row is held to; time; outcome."
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
    verdict = Report.judge(row, for(_ <- 1..runs, do: Runner.probe(machine, index)))
    Report.print(row, verdict)
    verdict
  end
end
