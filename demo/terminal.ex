defmodule Demo.Terminal do
  @moduledoc false
  # What the demo shows: units, headings, a line that moves, a table and a chart. Colours only in a terminal, and not where NO_COLOR is
  # set (no-color.org).

  @width 64
  @height 8
  @eighths ~w(▁ ▂ ▃ ▄ ▅ ▆ ▇ █)
  @eighths_across ~w(▏ ▎ ▍ ▌ ▋ ▊ ▉)

  @bar 24

  def heading(text), do: IO.puts(["\n", IO.ANSI.format([:bright, text], colour?())])

  def bytes(bytes) when bytes >= 10_485_760, do: "#{round(bytes / 1_048_576)} MiB"
  def bytes(bytes) when bytes >= 1_048_576, do: "#{Float.round(bytes / 1_048_576, 1)} MiB"
  def bytes(bytes), do: "#{round(bytes / 1024)} KiB"

  def seconds(ms), do: "#{:erlang.float_to_binary(ms / 1000, decimals: 1)} s"

  @doc "Whether standard output is a terminal, where a line can be written over."
  def live?, do: match?({:ok, _}, :io.columns())

  @doc "Whether to colour. `NO_COLOR` forbids it if it is set and not empty."
  def colour?(live \\ live?(), no_color \\ System.get_env("NO_COLOR")),
    do: live and no_color in [nil, ""]

  @doc "Shows that `share`, from 0 to 1, is done: writes over the last line in a terminal, else below it."
  def progress(share, text) do
    if live?(),
      do: IO.write(["\r\e[K  ", bar(share, colour?()), "  ", text]),
      else: IO.puts(["  ", percent(share), "  ", text])
  end

  @doc "A bar of `share`, from 0 to 1, and the percentage."
  def bar(share, colour?) do
    eighths = round(min(max(share, 0), 1) * @bar * 8)
    full = String.duplicate("█", div(eighths, 8))
    part = if rem(eighths, 8) > 0, do: Enum.at(@eighths_across, rem(eighths, 8) - 1), else: ""
    rest = String.duplicate("░", @bar - div(eighths + 7, 8))
    [IO.ANSI.format([:green, full, part, :reset, rest], colour?), " ", percent(share)]
  end

  defp percent(share), do: String.pad_leading("#{floor(min(share, 1) * 100)} %", 5)

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
