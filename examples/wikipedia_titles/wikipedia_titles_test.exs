Code.require_file("wikipedia_titles.ex", __DIR__)

defmodule Examples.WikipediaTitlesTest do
  use ExUnit.Case, async: true

  alias Examples.WikipediaTitles

  @moduletag :tmp_dir

  defp page(title, namespace, more \\ "") do
    text = String.duplicate("Lorem ipsum &amp; [[dolor]] ", 400)

    "<page><title>#{title}</title><ns>#{namespace}</ns>#{more}<revision><text>#{text}</text></revision></page>\n"
  end

  defp dump do
    pages =
      for n <- 1..2_000 do
        [
          page("A &amp; #{n}", 0),
          page("Talk:#{n}", 1),
          page("R#{n}", 0, ~s(<redirect title="A"/>))
        ]
      end

    ["<mediawiki><siteinfo/>", pages, "</mediawiki>"]
  end

  @tag :native_speed
  test "titles of articles, of a file of 66 MB and of the same compressed", %{tmp_dir: dir} do
    text = IO.iodata_to_binary(dump())
    assert byte_size(text) > 60_000_000
    plain = Path.join(dir, "dump.xml")
    File.write!(plain, text)
    File.write!(plain <> ".gz", :zlib.gzip(text))

    for path <- [plain, plain <> ".gz"] do
      titles = Path.join(dir, "titles.txt")
      assert WikipediaTitles.run(WikipediaTitles.source(path), titles) == 2_000
      assert ["A & 1\n", "A & 2\n"] == titles |> File.stream!() |> Enum.take(2)
    end
  end

  test "a dump that ends too early is an error, not a shorter list", %{tmp_dir: dir} do
    # Copied: a part would keep the whole, which counts towards the limit.
    text = dump() |> IO.iodata_to_binary() |> BoundedBinary.slice(0, 100_000)

    assert_raise BoundedXml.ParseError, fn ->
      WikipediaTitles.run(text, Path.join(dir, "titles.txt"))
    end
  end
end
