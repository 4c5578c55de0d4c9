defmodule Bench.Escapes.Report do
  # Judges the rounds of one row and prints its line.

  alias Bench.Escapes.Row

  @doc "A verdict on the rounds of `row`: `%{times:, took:, outcomes:, faults:}`."
  def judge(row, rounds) do
    times = rounds |> Enum.map(&times(elem(&1, 0), row.limit)) |> median()
    outcomes = Enum.map(rounds, &elem(&1, 2))

    %{
      times: times,
      took: rounds |> Enum.map(&elem(&1, 1)) |> median(),
      outcomes: Enum.frequencies(outcomes),
      faults:
        over(times, Row.held(row)) ++ (outcomes |> Enum.flat_map(&fault(row, &1)) |> Enum.uniq())
    }
  end

  @doc "Prints a row. `:infinity` stands for a VM that died."
  def print(row, verdict) do
    IO.puts(
      String.pad_trailing(row.name, 62) <>
        String.pad_leading(figure(verdict.times), 7) <>
        String.pad_leading(figure(Row.held(row)), 7) <>
        String.pad_leading("#{verdict.took} ms", 10) <>
        "  #{counted(row)}#{outcomes(verdict.outcomes)}" <>
        Enum.map_join(verdict.faults, &"  #{&1}")
    )

    if row.why, do: IO.puts("    #{row.why}")
  end

  def heading(kind), do: IO.puts("\n#{kind}\n" <> String.duplicate("-", String.length("#{kind}")))

  @doc "The last line: the number of rows and of faults."
  def summary(verdicts) do
    faulty = Enum.count(verdicts, &(&1.faults != []))
    IO.puts("\n#{length(verdicts)} rows, #{faulty} of them with a fault")
    faulty
  end

  # Atoms are larger than any number.
  defp times(:infinity, _limit), do: :infinity
  defp times(bytes, limit), do: bytes / limit

  defp over(times, held), do: if(times > held, do: ["OVER"], else: [])

  defp fault(_row, {:died, _}), do: ["DIED"]
  defp fault(_row, :hung), do: ["HUNG"]
  defp fault(%{ends: :stopped}, {:returned, _}), do: ["RETURNED"]
  defp fault(%{ends: :stopped}, {:stopped, :timeout}), do: ["NOT STOPPED"]
  defp fault(%{ends: :returns}, {:stopped, _}), do: ["STOPPED"]
  defp fault(%{ends: :returns}, {:raised, _}), do: ["STOPPED"]
  defp fault(_row, _outcome), do: []

  defp median(values), do: values |> Enum.sort() |> Enum.at(div(length(values), 2))

  defp figure(:infinity), do: "died"
  defp figure(times), do: :erlang.float_to_binary(times / 1, decimals: 2)

  defp counted(%{counted: true}), do: ""
  defp counted(_row), do: "not covered; "

  defp outcomes(outcomes) do
    Enum.map_join(outcomes, ", ", fn
      {outcome, 1} -> text(outcome)
      {outcome, n} -> "#{n} x #{text(outcome)}"
    end)
  end

  defp text({:stopped, category}), do: "#{category}"
  defp text({:returned, value}), do: "returned #{value}"
  defp text({:raised, what}), do: "raised #{what}"
  defp text({:died, why}), do: "the VM died: #{why}"
  defp text(:hung), do: "the VM hung"
end
