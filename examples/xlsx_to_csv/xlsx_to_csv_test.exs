Code.require_file("xlsx_to_csv.ex", __DIR__)

defmodule Examples.XlsxToCsvTest do
  use ExUnit.Case, async: true

  alias Examples.XlsxToCsv

  @moduletag :tmp_dir

  defp book(dir, rows, strings) do
    path = Path.join(dir, "book.xlsx")
    namespace = ~s(xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main")

    files =
      [
        {~c"xl/worksheets/sheet1.xml",
         ["<worksheet #{namespace}><sheetData>", rows, "</sheetData></worksheet>"]},
        {~c"../outside.xml", "<not-asked-for/>"}
      ] ++
        if(strings,
          do: [{~c"xl/sharedStrings.xml", ["<sst #{namespace}>", strings, "</sst>"]}],
          else: []
        )

    entries = for {name, text} <- files, do: {name, IO.iodata_to_binary(text)}
    {:ok, _} = :zip.create(String.to_charlist(path), entries)
    path
  end

  test "shared and inline texts, numbers, gaps and quotes", %{tmp_dir: dir} do
    rows = """
    <row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1"><v>2.5</v></c><c r="AA1" t="s"><v>1</v></c></row>
    <row r="2"><c t="inlineStr"><is><t>a, b</t></is></c><c><f>1+1</f><v>2</v></c><c/></row>
    """

    strings =
      "<si><t>say &quot;x&quot;</t></si><si><r><t>in </t></r><r><t>parts</t></r><rPh><t>no</t></rPh></si>"

    csv = Path.join(dir, "rows.csv")
    assert XlsxToCsv.run(book(dir, rows, strings), csv) == 2

    assert [first, second] = csv |> File.read!() |> String.split("\n", trim: true)
    assert first == ~s("say ""x""",,2.5) <> String.duplicate(",", 24) <> "in parts"
    assert second == ~s("a, b",2,)
    assert Enum.sort(File.ls!(dir)) == ["book.xlsx", "rows.csv"]
  end

  @tag :native_speed
  test "20,000 rows under a small limit", %{tmp_dir: dir} do
    rows = for n <- 1..20_000, do: ~s(<row r="#{n}"><c r="A#{n}"><v>#{n}</v></c></row>)
    csv = Path.join(dir, "rows.csv")
    assert XlsxToCsv.run(book(dir, rows, nil), csv, Quota.mib(16)) == 20_000
    assert csv |> File.stream!() |> Enum.at(19_999) == "20000\n"
  end

  @tag :native_speed
  test "a workbook with more texts than the limit has room for is refused, and nothing is left",
       %{tmp_dir: dir} do
    strings = for n <- 1..200_000, do: "<si><t>text #{n}</t></si>"
    book = book(dir, "<row/>", strings)

    assert_raise Quota.ExceededError, fn ->
      XlsxToCsv.run(book, Path.join(dir, "rows.csv"), Quota.mib(4))
    end

    refute File.exists?(Path.join(dir, "rows.csv.unpacked"))
  end
end
