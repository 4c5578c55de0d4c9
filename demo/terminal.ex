defmodule Demo.Terminal do
  @moduledoc false
  # What the demo shows: units, headings, a live line, a table and a chart.

  @width 64
  @height 8
  @eighths ~w(▁ ▂ ▃ ▄ ▅ ▆ ▇ █)

  def heading(text), do: IO.puts(["\n", IO.ANSI.format([:bright, text])])

  def bytes(bytes) when bytes >= 10_485_760, do: "#{round(bytes / 1_048_576)} MiB"
  def bytes(bytes) when bytes >= 1_048_576, do: "#{Float.round(bytes / 1_048_576, 1)} MiB"
  def bytes(bytes), do: "#{round(bytes / 1024)} KiB"

  def seconds(ms), do: "#{:erlang.float_to_binary(ms / 1000, decimals: 1)} s"

  @doc "Whether standard output is a terminal, where a line can be written over."
  def live?, do: match?({:ok, _}, :io.columns())

  @doc "Writes over the last line in a terminal, else below it."
  def progress(text) do
    if live?(), do: IO.write("\r\e[K  " <> text), else: IO.puts("  " <> text)
  end

  def progress_done, do: if(live?(), do: IO.write("\n"))

  def table([header | _] = rows) do
    widths =
      for column <- 0..(length(header) - 1) do
        rows |> Enum.map(&String.length(Enum.at(&1, column))) |> Enum.max()
      end

    [head | lines] =
      for row <- rows do
        "  " <>
          (row |> Enum.zip(widths) |> Enum.map_join("  ", &cell/1) |> String.trim_trailing())
      end

    rule = "  " <> Enum.map_join(widths, "  ", &String.duplicate("-", &1))
    Enum.each([head, rule | lines], &IO.puts/1)
  end

  defp cell({text, width}), do: String.pad_trailing(text, width)

  @doc "Draws `samples`, `[{ms, bytes}]`, with a line at `ceiling` bytes."
  def chart(title, samples, ceiling) do
    {last, _} = List.last(samples)
    step = div(ceiling, @height)

    columns =
      samples
      |> Enum.group_by(fn {ms, _} -> div(ms * @width, last + 1) end, &elem(&1, 1))
      |> Map.new(fn {column, bytes} -> {column, Enum.max(bytes)} end)

    rows = max(@height, div(columns |> Map.values() |> Enum.max(), step) + 1)
    IO.puts("\n  #{title}")

    for row <- (rows - 1)..0//-1 do
      empty = if row == @height - 1, do: "┄", else: " "

      bar =
        for column <- 0..(@width - 1),
            into: "",
            do: block(value(columns, column), row, step, empty)

      IO.puts("  #{String.pad_leading(bytes(step * (row + 1)), 8)} #{bar}")
    end

    IO.puts("  #{String.duplicate(" ", 8)} 0 s#{String.pad_leading(seconds(last), @width - 3)}")
  end

  defp block(bytes, row, step, empty) do
    eighths = div(bytes * 8, step) - row * 8
    if eighths < 1, do: empty, else: Enum.at(@eighths, min(eighths, 8) - 1)
  end

  # No sample fell into a narrow column: what was seen last still stands.
  defp value(_columns, -1), do: 0

  defp value(columns, column),
    do: Map.get_lazy(columns, column, fn -> value(columns, column - 1) end)
end
