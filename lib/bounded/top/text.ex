defmodule Bounded.Top.Text do
  @moduledoc false
  # One frame as lines of text: the memory by kind with bars, then the tables, each with as many rows as fit.

  alias Bounded.Format
  alias Bounded.Top.Tables

  @name_width 22
  @bytes_width 10
  @smallest_width 40
  # Rows of a table where there is no height to fit.
  @rows 10

  @type option ::
          {:colour, boolean}
          | {:width, pos_integer}
          | {:height, pos_integer | nil}
          | {:sort, atom}

  @doc """
  The lines of a frame, none longer than `:width`, and no more than `:height` unless that is nil. Colours are the terminal's own eight.
  """
  @spec lines(map, [option]) :: [iodata]
  def lines(sample, opts) do
    opts = Map.new(opts)
    opts = %{opts | width: max(opts.width, @smallest_width)}
    head = head(sample, opts) ++ memory(sample, opts)
    tables = Tables.tables(sample, opts.sort)
    rows = rows(tables, opts.height && opts.height - length(head))
    lines = head ++ Enum.flat_map(tables, &table(&1, rows[&1.id], opts))
    if opts.height, do: Enum.take(lines, opts.height), else: lines
  end

  defp head(sample, opts) do
    title = "#{sample.node}   OTP #{sample.release}   #{sample.at}"

    [
      strong(clip(title, opts), opts),
      clip("limit     #{Tables.limit(sample)}", opts),
      coloured(clip("pressure  #{Tables.pressure(sample)}", opts), level(sample), opts)
    ] ++
      watchdog(Tables.watchdog(sample), opts) ++
      [
        bar(sample.pressure.usage || 0, sample.pressure.limit, opts.width, level(sample), opts),
        ""
      ]
  end

  defp watchdog(nil, _opts), do: []
  defp watchdog(text, opts), do: [clip("watchdog  #{text}", opts)]

  defp level(%{pressure: %{level: :normal}}), do: :green
  defp level(%{pressure: %{level: :high}}), do: :yellow
  defp level(_critical), do: :red

  defp memory(sample, opts) do
    kinds = Tables.kinds(sample)
    sum = Enum.sum(for {_, bytes} <- kinds, do: bytes)
    limit = sample.pressure.limit || sum
    width = opts.width - @name_width - @bytes_width - 8

    for {name, bytes} <- kinds do
      share = Tables.percent(bytes, limit)

      [
        String.pad_trailing(name, @name_width),
        String.pad_leading(Format.bytes(bytes), @bytes_width),
        String.pad_leading("#{share} %", 6),
        "  ",
        bar(bytes, limit, width, :cyan, opts)
      ]
    end
  end

  defp bar(_bytes, limit, width, _colour, _opts) when limit in [nil, 0] or width < 3, do: ""

  defp bar(bytes, limit, width, colour, opts) do
    full = min(div(bytes * width + div(limit, 2), limit), width)
    [coloured(String.duplicate("#", full), colour, opts), String.duplicate(".", width - full)]
  end

  # Rows for each table: what is left is shared out, and what one does not need the others get.
  defp rows(tables, nil), do: Map.new(tables, &{&1.id, @rows})

  defp rows(tables, height) do
    # A blank line, a title and the names of the columns.
    left = height - 3 * length(tables)
    needs = Enum.sort_by(tables, &length(&1.rows))
    {shared, _} = Enum.reduce(Enum.with_index(needs), {%{}, left}, &share(&1, &2, length(needs)))
    shared
  end

  defp share({table, index}, {shared, left}, tables) do
    rows = left |> div(tables - index) |> max(0) |> min(length(table.rows))
    {Map.put(shared, table.id, rows), left - rows}
  end

  defp table(%{rows: rows} = table, most, opts) do
    title = if table.note, do: "#{table.title} (#{table.note})", else: table.title
    rows = Enum.take(rows, most)
    widths = widths([table.columns | rows])
    names = row(table.columns, widths, opts)
    ["", strong(clip(title, opts), opts)] ++ [names | Enum.map(rows, &row(&1, widths, opts))]
  end

  # The last column is text, on the left; the others are figures.
  defp widths(rows),
    do:
      rows
      |> Enum.zip()
      |> Enum.map(
        &(&1
          |> Tuple.to_list()
          |> Enum.map(fn text -> String.length(text) end)
          |> Enum.max())
      )

  defp row(cells, widths, opts) do
    {figures, [text]} = Enum.split(cells, -1)

    figures
    |> Enum.zip(widths)
    |> Enum.map_join("  ", fn {cell, width} -> String.pad_leading(cell, width) end)
    |> Kernel.<>("  " <> printable(text))
    |> clip(opts)
  end

  # Labels and names come from applications: nothing of them may move the cursor.
  defp printable(text), do: String.replace(text, ~r/[^[:print:]]/u, "?")

  defp clip(text, %{width: width}), do: String.slice(text, 0, width)

  defp strong(text, %{colour: true}), do: ["\e[1m", text, "\e[0m"]
  defp strong(text, _opts), do: text

  @codes %{green: 32, yellow: 33, red: 31, cyan: 36}

  defp coloured(text, colour, %{colour: true}), do: ["\e[#{@codes[colour]}m", text, "\e[0m"]
  defp coloured(text, _colour, _opts), do: text
end
