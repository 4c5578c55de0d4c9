defmodule BoundedXml.RootsTest do
  use ExUnit.Case, async: true

  # Sources of many documents, one after the other.

  alias BoundedXml.{ParseError, Parser}

  @source "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>\n<?xml version='1.0'?><b/>"

  @events [
    {:start_document, [version: "1.0"]},
    {:start_element, {"a", []}},
    {:characters, "x"},
    {:end_element, "a"},
    {:end_document, {}},
    {:start_document, [version: "1.0"]},
    {:start_element, {"b", []}},
    {:end_element, "b"},
    {:end_document, {}}
  ]

  test "streams frame each root" do
    for chunk_bytes <- [1, 7, 65_536] do
      opts = [roots: :many, chunk_bytes: chunk_bytes]
      assert @source |> BoundedXml.stream(opts) |> Enum.to_list() == @events
    end

    assert_raise ParseError, fn -> @source |> BoundedXml.stream() |> Stream.run() end
  end

  test "parsers do as well" do
    {:ok, parser} = Parser.new(roots: :many)
    {:ok, events} = Parser.feed(parser, @source)
    {:ok, last} = Parser.finish(parser)
    assert events ++ last == @events
  end

  test "selections go on from root to root" do
    source = "<r><i>1</i></r><?xml version='1.0'?><r><i>2</i><i/></r><s/>"
    records = source |> BoundedXml.select("r/i", roots: :many) |> Enum.to_list()
    assert records == [{"i", [], ["1"]}, {"i", [], ["2"]}, {"i", [], []}]
  end

  test "entities and limits are those of one document" do
    source = "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a><b>&e;</b>"
    stream = BoundedXml.stream(source, roots: :many)
    assert_raise ParseError, ~r/entity e is not declared/, fn -> Stream.run(stream) end

    twice = "<a><b/></a><a><b/></a>"
    assert twice |> BoundedXml.stream(roots: :many, max_elements: 2) |> Enum.count() == 12
  end

  test "document types can be refused" do
    stream = BoundedXml.stream("<a/><!DOCTYPE b><b/>", roots: :many, doctype: :reject)
    assert_raise ParseError, ~r/DOCTYPE/, fn -> Stream.run(stream) end
  end

  test "a byte order mark may begin each of them" do
    source = String.replace(@source, "<?xml", "\uFEFF<?xml")
    assert source |> BoundedXml.stream(roots: :many) |> Enum.to_list() == @events
    assert_raise ParseError, fn -> "<a/>\uFEFF" |> BoundedXml.stream() |> Stream.run() end
  end

  test "white space before each XML declaration is recovered" do
    mark = "\uFEFF"
    parts = String.split(@source, "<?xml", trim: true)
    spaced = fn before -> Enum.map_join(parts, &(before <> "<?xml" <> &1)) end

    # Behind the first root, white space without a mark is between two documents, not before a declaration.
    for {before, reported} <- [
          {"\n", [{"\n", {1, 1}}]},
          {mark <> "\n", [{"\n", {1, 1}}, {"\n", {3, 2}}]},
          {mark <> mark, [{mark, {1, 1}}, {mark, {2, 2}}]}
        ],
        chunk_bytes <- [1, 65_536] do
      test = self()
      opts = [roots: :many, chunk_bytes: chunk_bytes, on_recover: &send(test, &1)]
      source = spaced.(before)
      recovered = BoundedXml.stream(source, [recover: [:leading_whitespace]] ++ opts)
      assert Enum.to_list(recovered) == @events

      for {written, place} <- reported do
        assert_receive {:leading_whitespace, ^written, ^place}
      end

      refute_received {:leading_whitespace, _, _}

      assert_raise ParseError, ~r/leading_whitespace/, fn ->
        source |> BoundedXml.stream(opts) |> Stream.run()
      end
    end
  end

  test "a wrong number of roots is refused" do
    assert_raise ArgumentError, ~r/:roots/, fn -> BoundedXml.stream("", roots: 2) end
  end
end
