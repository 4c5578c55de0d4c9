defmodule Bench.Report do
  @moduledoc "Results: a table to read, a dated CSV, a chart."

  alias Bench.{Contender, Document, Measure, Speed}

  @doc "The table of ratios on generated documents, with goal and floor."
  def table(rows) do
    by_rival = rows |> Speed.ratios() |> Enum.group_by(&elem(&1, 0))
    kinds = Document.kinds()
    heading = ["rival" | Enum.map(kinds, &to_string/1)] ++ ["mean", "goal", "floor", "verdict"]

    lines =
      for {rival, {goal, floor}} <- Speed.targets(), ratios = by_rival[rival] do
        ratios = Map.new(ratios, fn {_, document, ratio} -> {document, ratio} end)
        known = Map.values(ratios)
        mean = Measure.geometric_mean(known)

        [to_string(rival) | Enum.map(kinds, &number(ratios[&1]))] ++
          [number(mean), number(goal), number(floor), verdict(known, mean, goal, floor)]
      end

    columns([heading | lines])
  end

  @doc "Throughput of every contender, in MB of document per second of CPU time."
  def throughput(rows) do
    kinds = rows |> Enum.map(& &1.document) |> Enum.uniq()
    by = Map.new(rows, &{{&1.contender, &1.document}, &1})

    lines =
      for contender <- Contender.names(), Enum.any?(rows, &(&1.contender == contender)) do
        [to_string(contender) | Enum.map(kinds, &speed(by[{contender, &1}]))]
      end

    columns([["MB/s of CPU time" | Enum.map(kinds, &to_string/1)] | lines])
  end

  @doc "Geometric mean and least ratio of every rival over many documents."
  def summary(rows) do
    lines =
      for {rival, ratios} <- rows |> Speed.ratios() |> Enum.group_by(&elem(&1, 0)) do
        {_, worst, least} = Enum.min_by(ratios, &elem(&1, 2))
        mean = ratios |> Enum.map(&elem(&1, 2)) |> Measure.geometric_mean()
        [to_string(rival), "#{length(ratios)}", number(mean), number(least), to_string(worst)]
      end

    columns([["rival", "documents", "mean", "least", "on"] | lines])
  end

  @doc """
  Contenders that read another text than we do, by more than a thousandth: a ratio says nothing where
  that is so. (Documents for parsers of stanzas lack a few bytes of header.)
  """
  def differences(rows) do
    ours = for row <- rows, into: %{}, do: {{row.contender, row.document}, row}

    for row <- rows,
        row.contender != :bounded_no_space,
        mine = ours[{Contender.ours(row.contender), row.document}],
        abs(row.text_bytes - mine.text_bytes) > mine.text_bytes / 1000 do
      "#{row.contender} on #{row.document}: #{row.text_bytes} bytes of text in #{row.events} events, " <>
        "we #{mine.text_bytes} in #{mine.events}\n"
    end
  end

  @doc "Appends rows to the CSV of the day."
  def csv!(rows, section, path) do
    new = not File.exists?(path)

    File.open!(path, [:append, :utf8], fn file ->
      if new do
        IO.puts(file, "# " <> Bench.Machine.describe())
        IO.puts(file, "section,contender,document,bytes,cpu_ms,wall_ms,events,text_bytes")
      end

      for row <- rows do
        figures = [row.bytes, number(row.cpu_ms, 3), number(row.wall_ms, 3)]
        counted = [row.events, row.text_bytes]

        IO.puts(
          file,
          Enum.join([section, row.contender, row.document] ++ figures ++ counted, ",")
        )
      end
    end)
  end

  @doc "Pads the cells of each column to the same width."
  def columns(lines) do
    widths =
      lines
      |> Enum.zip_with(& &1)
      |> Enum.map(fn cells -> cells |> Enum.map(&String.length/1) |> Enum.max() end)

    for line <- lines do
      line
      |> Enum.zip(widths)
      |> Enum.with_index()
      |> Enum.map_intersperse("  ", fn
        {{cell, width}, 0} -> String.pad_trailing(cell, width)
        {{cell, width}, _} -> String.pad_leading(cell, width)
      end)
      |> then(&["  ", &1, "\n"])
    end
  end

  def number(figure, decimals \\ 2)
  def number(nil, _decimals), do: "-"
  def number(figure, decimals), do: :erlang.float_to_binary(figure / 1, decimals: decimals)

  defp speed(nil), do: "-"
  defp speed(row), do: number(row.bytes / 1000 / row.cpu_ms, 0)

  defp verdict(ratios, mean, goal, floor) do
    cond do
      Enum.min(ratios) < floor -> "below the floor"
      mean < goal -> "above the floor"
      true -> "goal reached"
    end
  end
end
