defmodule BoundedXml.WhitespaceTest do
  use ExUnit.Case, async: true

  # What `skip_whitespace: true` drops: runs of text that are white space to their end, and no other.

  alias BoundedXml.{ParseError, Parser}

  @opts [skip_whitespace: true]

  defp text(events), do: for({:characters, text} <- events, into: "", do: text)

  defp ways(source, opts) do
    {:ok, parser} = Parser.new(opts)
    {:ok, fed} = Parser.feed(parser, source)
    {:ok, _end} = Parser.finish(parser)

    selected =
      for {"p", _, children} <- BoundedXml.select(source, "p", opts),
          child <- children,
          is_binary(child),
          into: "",
          do: child

    [text(BoundedXml.stream(source, opts)), text(fed), selected]
  end

  for spaces <- [65_535, 65_536, 65_537, 200_000] do
    test "#{spaces} bytes of white space before other text are part of it" do
      space = String.duplicate(" ", unquote(spaces))

      for between <- ["x", "<!-- c -->x", "<![CDATA[x]]>", "&#120;"] do
        expected = space <> "x"

        for found <- ways(["<p>", space, between <> "</p>"], @opts) do
          assert byte_size(found) == byte_size(expected)
          assert found == expected
        end
      end

      assert ways(["<p>", space, "<!-- c -->", space, "</p>"], @opts) == ["", "", ""]
    end
  end

  test "xml:space keeps white space" do
    assert ways("<p xml:space='preserve'> </p>", @opts) == [" ", " ", " "]
    assert ways("<p> </p>", @opts) == ["", "", ""]
    source = "<!DOCTYPE p [<!ATTLIST p xml:space CDATA 'preserve'>]><p> </p>"
    assert ways(source, @opts) == [" ", " ", " "]
    inherited = "<r xml:space='preserve'><p> </p><q xml:space='default'><p> </p></q></r>"
    assert inherited |> BoundedXml.stream(@opts) |> text() == " "
    assert inherited |> BoundedXml.select("r/p", @opts) |> Enum.to_list() == [{"p", [], [" "]}]
    assert inherited |> BoundedXml.select("r/q/p", @opts) |> Enum.to_list() == [{"p", [], []}]
  end

  test "what is held has a limit" do
    source = "<p>" <> String.duplicate(" ", 100_001) <> "x</p>"
    read = fn opts -> source |> BoundedXml.stream(@opts ++ opts) |> Stream.run() end
    select = fn opts -> source |> BoundedXml.select("p", @opts ++ opts) |> Stream.run() end

    for parse <- [read, select] do
      error = ~r/max_text_bytes is 100000/
      assert_raise ParseError, error, fn -> parse.(max_text_bytes: 100_000) end
      assert parse.(max_text_bytes: 100_001) == :ok
    end
  end

  test "joined, a section is one event" do
    section = String.duplicate("x", 150_000)
    source = "<p>text<![CDATA[" <> section <> "]]></p>"
    sections = fn opts -> for {:cdata, text} <- BoundedXml.stream(source, opts), do: text end
    assert sections.(emit: [:cdata], text: :joined) == [section]
    assert sections.(emit: [:cdata]) |> Enum.map(&byte_size/1) == [65_536, 65_536, 18_928]
  end
end
