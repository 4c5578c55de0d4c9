defmodule BoundedXml.ParserRecordsTest do
  use ExUnit.Case, async: true

  # A fed parser that gives maps of fields, source texts, and what is told of records.

  alias Bounded.Test.Xml
  alias BoundedXml.{FieldError, ParseError, Parser, ParserError}

  defp new(opts) do
    {:ok, parser} = Parser.new(opts)
    parser
  end

  # What a parser gives of a document that is cut into pieces.
  defp fed(document, size, opts) do
    {records, parser} =
      for piece <- Xml.cut(document, size), reduce: {[], new(opts)} do
        {records, parser} ->
          {:ok, more, parser} = Parser.feed(parser, piece)
          {records ++ more, parser}
      end

    {:ok, last} = Parser.finish(parser)
    records ++ last
  end

  @document "<r v='1'><i k='7'>one<b>&amp;</b></i>\n<i><b>2</b><b>3</b></i><t n='9'/></r>"

  test "gives the records of BoundedXml.select/3, however it is fed" do
    fields = [
      k: {:map, "@k", &String.to_integer/1},
      b: {:all, "b"},
      raw: {:raw, "b"},
      v: "/r/@v",
      lines: {:records, "b", [t: {:map, ".", &String.upcase/1}]}
    ]

    for {path, opts} <- [
          {"r/i", fields: fields},
          {"r/i", fields: fields, positions: true},
          {"r/i", fields: fields, byte_offsets: true, required: [:b]},
          {"r/i", as: :raw, positions: true, byte_offsets: true},
          {"r/i", positions: true},
          {"r/i", scope: true},
          {[i: {"r/i", fields: fields}, t: "r/t", n: "r/t/@n", b: {"//b", as: :raw}], []}
        ] do
      expected = @document |> BoundedXml.select(path, opts) |> Enum.to_list()
      assert expected != []

      for size <- [1, 2, 7, 200],
          do: assert(fed(@document, size, [select: path] ++ opts) == expected)
    end
  end

  test "an exception of a field's function is an error, with the records before it" do
    opts = [select: "r/i", fields: [k: {:map, "@k", &String.to_integer/1}]]
    {:ok, [], parser} = Parser.feed(new(opts), "<r>")
    bad = "<i k='1'/>\n<i k='x'/><i k='2'/>"

    assert {:error, %FieldError{field: :k, value: "x", line: 2} = error, [%{k: 1}]} =
             Parser.feed(parser, bad)

    assert Exception.message(error) =~ ~s(which is "x")

    for call <- [&Parser.feed(&1, "<i/>"), &Parser.finish/1],
        do: assert({:error, %ParserError{reason: :interrupted}, []} = call.(parser))

    {:ok, parser} = Parser.restart(parser)
    assert {:ok, [%{k: 3}], _parser} = Parser.feed(parser, "<r><i k='3'/>")

    # Of two errors, the first in the document.
    assert {:error, %FieldError{}, [%{k: 1}]} = Parser.feed(new(opts), "<r>" <> bad <> "</x>")
    assert {:error, %ParseError{}, [%{k: 1}]} = Parser.feed(new(opts), "<r><i k='1'/></x>")
    {:ok, [], parser} = Parser.feed(new([roots: :many] ++ opts), "<r><i k='x'/")
    assert {:error, %FieldError{}, []} = Parser.feed(parser, ">")
  end

  test "what a field's function throws goes through, and the parser is closed" do
    parser = new(select: "r/i", fields: [k: {:map, "@k", &throw/1}])
    assert catch_throw(Parser.feed(parser, "<r><i k='x'/>")) == "x"
    assert {:error, %ParserError{reason: :interrupted}, []} = Parser.feed(parser, "<i/>")
  end

  test "a restart keeps the fields, and counts places anew" do
    parser = new(select: "s/m", fields: [t: {:raw, "."}], positions: true, byte_offsets: true)

    assert {:ok, [{%{t: "<m>1</m>"}, {1, 4}, 3..10}], parser} =
             Parser.feed(parser, "<s><m>1</m><m>")

    {:ok, parser} = Parser.restart(parser)
    assert {:ok, [{%{t: "<m/>"}, {2, 1}, 4..7}], parser} = Parser.feed(parser, "<s>\n<m/>")
    assert {:ok, []} = Parser.finish(parser) |> truncated()
  end

  defp truncated({:error, %ParseError{kind: :truncated}, records}), do: {:ok, records}

  test "limits of a record" do
    parser = new(select: "s/m", as: :raw, max_record_bytes: 40)
    assert {:ok, [], parser} = Parser.feed(parser, "<s>\n<m>0123456789012345")
    assert {:error, error, []} = Parser.feed(parser, "6789</m>")
    assert %ParseError{kind: :limit, limit: :max_record_bytes, line: 2, column: 1} = error
    assert {:error, ^error, []} = Parser.feed(parser, "<")
  end

  test "required fields" do
    parser = new(select: "r/i", fields: [k: "@k"], required: [:k])

    assert {:error, %ParseError{kind: :missing, line: 1, column: 14}, [%{k: "1"}]} =
             Parser.feed(parser, "<r><i k='1'/><i/>")
  end
end
