defmodule Examples.XlsxToCsv do
  @moduledoc """
  Writes the rows of a workbook's first sheet as CSV. Rows are streamed: what grows with the workbook is its table of shared strings,
  which the limit bounds.

      mix run examples/xlsx_to_csv/run.exs book.xlsx rows.csv
  """

  @limit Quota.mib(64)
  # Of a file in the archive, unpacked.
  @max_bytes 1_073_741_824

  @sheet "xl/worksheets/sheet1.xml"
  @strings "xl/sharedStrings.xml"

  def main([xlsx, csv]), do: IO.puts("#{run(xlsx, csv)} rows")

  def main(_),
    do: IO.puts(:stderr, "usage: mix run examples/xlsx_to_csv/run.exs BOOK.xlsx ROWS.csv")

  @doc "Returns the number of rows. Raises `Quota.ExceededError` when more than `limit` bytes of memory would be needed."
  def run(xlsx, csv, limit \\ @limit) do
    unpacked = "#{csv}.unpacked"

    try do
      Quota.run(limit, fn -> convert(xlsx, unpacked, csv) end, label: Path.basename(xlsx))
    after
      # Here, not in the work: no `after` runs there when it is ended.
      File.rm_rf!(unpacked)
    end
  end

  defp convert(xlsx, unpacked, csv) do
    unpack!(xlsx, unpacked)
    strings = shared_strings(Path.join(unpacked, @strings))
    rows = :counters.new(1, [])

    {:file, Path.join(unpacked, @sheet)}
    |> BoundedXml.select("worksheet/sheetData/row")
    |> Stream.map(fn {"row", _, cells} ->
      :counters.add(rows, 1, 1)
      line(cells, strings)
    end)
    |> Stream.into(File.stream!(csv))
    |> Stream.run()

    :counters.get(rows, 1)
  end

  # Files of the archive are asked for by name, so none is written elsewhere.
  defp unpack!(xlsx, directory) do
    {:ok, [_comment | files]} = :zip.table(String.to_charlist(xlsx))

    for {:zip_file, name, info, _, _, _} <- files, elem(info, 1) > @max_bytes do
      raise ArgumentError, "#{name} has #{elem(info, 1)} bytes, more than #{@max_bytes}"
    end

    wanted = Enum.map([@sheet, @strings], &String.to_charlist/1)
    options = [cwd: String.to_charlist(directory), file_list: wanted]
    {:ok, [_ | _]} = :zip.extract(String.to_charlist(xlsx), options)
  end

  # Texts that cells refer to by number. A text in several formats is in several parts.
  defp shared_strings(path) do
    if File.exists?(path) do
      {:file, path}
      |> BoundedXml.select("sst/si")
      |> Enum.map(fn {"si", _, children} -> children |> text() |> IO.iodata_to_binary() end)
      |> List.to_tuple()
    else
      {}
    end
  end

  # `rPh` is how a text is pronounced.
  defp text(children) do
    for child <- children do
      case child do
        {"t", _, texts} -> Enum.filter(texts, &is_binary/1)
        {"r", _, children} -> text(children)
        _ -> []
      end
    end
  end

  # Cells that are empty are left out of the row: each says in which column it is.
  defp line(cells, strings) do
    {fields, _} =
      Enum.flat_map_reduce(for({"c", _, _} = cell <- cells, do: cell), 0, fn cell, next ->
        column = column(cell, next)
        {List.duplicate("", column - next) ++ [field(value(cell, strings))], column + 1}
      end)

    [Enum.intersperse(fields, ","), "\n"]
  end

  defp column({"c", attributes, _}, next) do
    case List.keyfind(attributes, "r", 0) do
      {"r", reference} -> max(letters(reference, 0) - 1, next)
      nil -> next
    end
  end

  # A is 1, Z 26, AA 27; a sheet has 16,384 columns.
  defp letters(<<letter, rest::binary>>, sum) when letter in ?A..?Z and sum < 16_384,
    do: letters(rest, sum * 26 + letter - ?A + 1)

  defp letters(_digits, sum), do: min(sum, 16_384)

  defp value({"c", attributes, children}, strings) do
    case {List.keyfind(attributes, "t", 0), List.keyfind(children, "v", 0)} do
      {{"t", "s"}, {"v", _, [index]}} -> elem(strings, String.to_integer(index))
      {{"t", "inlineStr"}, _} -> inline(List.keyfind(children, "is", 0))
      {_, {"v", _, [value]}} -> value
      _ -> ""
    end
  end

  defp inline({"is", _, children}), do: children |> text() |> IO.iodata_to_binary()
  defp inline(nil), do: ""

  defp field(value) do
    if String.contains?(value, [",", "\"", "\n", "\r"]),
      do: [?", String.replace(value, "\"", "\"\""), ?"],
      else: value
  end
end
