Code.require_file("feed_filter.ex", __DIR__)

defmodule Examples.FeedFilterTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO
  alias Examples.FeedFilter

  @tag :tmp_dir
  test "items are read, changed and written", %{tmp_dir: directory} do
    [from, to] = for name <- ["from.xml", "to.xml"], do: Path.join(directory, name)

    items =
      for n <- 1..5_000, do: "<item><title> n &amp; #{n} </title><link>l</link></item><item/>\n"

    File.write!(from, ["<rss><channel>", items, "</channel></rss>"])

    assert capture_io(fn -> FeedFilter.main([from, to]) end) =~
             ~r"wrote .*/to.xml: \d{6} bytes of"

    written = {:file, to} |> BoundedXml.select("items/item") |> Enum.to_list()
    assert length(written) == 5_000
    assert hd(written) == {"item", [], [{"title", [], ["n & 1"]}, {"link", [], ["l"]}]}
  end

  test "without two files it says what it wants" do
    assert capture_io(:stderr, fn -> FeedFilter.main([]) end) =~ "FROM.xml TO.xml"
  end
end
