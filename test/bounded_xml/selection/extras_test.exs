defmodule BoundedXml.ExtrasTest do
  use ExUnit.Case, async: true

  # What is told of records besides themselves: where they are, and the namespaces in scope.

  alias Bounded.Test.Xml

  @xmlns "http://www.w3.org/2000/xmlns/"

  defp select(source, path, opts),
    do: source |> BoundedXml.select(path, opts) |> Enum.to_list()

  defp at_any_cut(document, path, opts) do
    whole = select(document, path, opts)

    for size <- [1, 2, 3, 5, 17],
        do: assert(select(document, path, [{:chunk_bytes, size} | opts]) == whole)

    whole
  end

  @document "<r>\n<i>1</i>ä<i\n k='2'>\r\n<i/></i>\r<no/><i/></r>"

  test "positions of trees, fields, attributes and source texts" do
    places = [{2, 1}, {2, 10}, {5, 6}]

    for opts <- [[], [as: :raw], [fields: [k: "@k"]], [fields: [t: {:map, ".", & &1}]]],
        more <- [[], [namespaces: true], [skip_whitespace: true]] do
      plain = select(@document, "r/i", opts ++ more)
      expected = Enum.zip(plain, places)
      assert at_any_cut(@document, "r/i", opts ++ more ++ [positions: true]) == expected
    end

    paths = [i: "r/i", k: "r/i/@k", raw: {"r/no", as: :raw}]

    assert at_any_cut(@document, paths, positions: true)
           |> Enum.map(fn {{key, _}, at} -> {key, at} end) ==
             [i: {2, 1}, k: {2, 10}, i: {2, 10}, raw: {5, 1}, i: {5, 6}]
  end

  test "byte offsets are those of the source" do
    for document <- [@document, "\uFEFF" <> @document],
        opts <- [[], [fields: [k: "@k"]], [namespaces: true]] do
      raw = select(document, "r/i", as: :raw)
      found = at_any_cut(document, "r/i", opts ++ [byte_offsets: true])
      assert Enum.map(found, &elem(&1, 0)) == select(document, "r/i", opts)

      assert Enum.map(found, fn {_record, first..last//1} ->
               binary_part(document, first, last - first + 1)
             end) == raw

      assert %Range{step: 1} = found |> hd() |> elem(1)
    end

    # An attribute lies in its tag.
    assert [{"2", first..last//1}] = select(@document, "r/i/@k", byte_offsets: true)
    assert binary_part(@document, first, last - first + 1) == "<i\n k='2'>"

    # With positions both are told, and functions of fields are called as always.
    fields = [k: {:map, "@k", &String.to_integer/1}]

    assert [_, {%{k: 2}, {2, 10}, 14..33}, _] =
             select(@document, "r/i", fields: fields, positions: true, byte_offsets: true)

    assert [_, {%{k: 2}, 14..33}, _] =
             select(@document, "r/i", fields: fields, byte_offsets: true)
  end

  test "byte offsets in every encoding" do
    for {name, character, encode} <- Xml.encodings(), more <- [[], [encoding: name]] do
      elements = ["<i>#{character}a</i>", "<i k='#{character}#{character}'/>"]
      declaration = if more == [], do: "<?xml version='1.0' encoding='#{name}'?>"
      document = encode.("#{declaration}<r>#{character}\n#{Enum.join(elements, character)}</r>")
      found = at_any_cut(document, "r/i", [as: :raw, byte_offsets: true] ++ more)
      assert Enum.map(found, &elem(&1, 0)) == elements, name

      for {raw, first..last//1} <- found,
          do: assert(binary_part(document, first, last - first + 1) == encode.(raw), name)
    end
  end

  test "byte offsets of several chunks, roots, compressed and recovered documents" do
    assert [{_, 3..6}, {_, 10..13}] =
             select(["<r>", "<i", "/>", "xyz<i/>", "</r>"], "r/i", byte_offsets: true)

    roots = "<a/>\n<?xml version='1.0'?><a>x</a>"
    assert [{_, 0..3}, {_, 26..33}] = select(roots, "a", byte_offsets: true, roots: :many)
    recovered = "<r>\x01\x02<i>\x03</i></r>"

    assert [{"<i>\uFFFD</i>", 5..12}] =
             at_any_cut(recovered, "r/i", as: :raw, byte_offsets: true, recover: :all)

    entities = "<!DOCTYPE r [<!ENTITY e '<i>1</i>'>]><r>&e;<i>&e;</i></r>"

    assert [{"&e;", 40..42}, {"<i>&e;</i>", 43..52}] =
             at_any_cut(entities, "r/i", as: :raw, byte_offsets: true)
  end

  @tag :tmp_dir
  test "of a compressed file they are those of what it holds", %{tmp_dir: dir} do
    path = Path.join(dir, "a.xml.gz")
    File.write!(path, :zlib.gzip(@document))
    opts = [as: :raw, byte_offsets: true]
    assert select({:file, path, [:compressed]}, "r/i", opts) == select(@document, "r/i", opts)
  end

  test "the namespace declarations in scope, those around a record behind its own" do
    document =
      "<r xmlns='d' xmlns:a='u' xmlns:b='v'><s xmlns:b='w' xmlns=''><i xmlns:a='x' a:t='b:Int'><i xmlns:c='y'/></i><t xmlns:e='z'/><i/></s></r>"

    assert at_any_cut(document, "//i", scope: true) == [
             {{nil, "i"}, [{{@xmlns, "a"}, "x"}, {{"x", "t"}, "b:Int"}, {{@xmlns, "b"}, "w"}],
              [{{nil, "i"}, [{{@xmlns, "c"}, "y"}], []}]},
             {{nil, "i"}, [{{@xmlns, "a"}, "u"}, {{@xmlns, "b"}, "w"}], []}
           ]

    assert [{{"d", "r"}, attributes, _}] = select(document, "r", scope: true)
    assert [{{"d", "r"}, ^attributes, _}] = select(document, "r", namespaces: true)
    # The default namespace is declared by the attribute xmlns.
    assert select("<r xmlns='d'><i/></r>", "*/i", scope: true) == [
             {{"d", "i"}, [{{@xmlns, "xmlns"}, "d"}], []}
           ]

    paths = [i: "//i", t: {"//t", fields: [k: "@k"]}]

    assert [i: {_, [_, _, {{@xmlns, "b"}, "w"}], _}, t: %{k: nil}, i: _] =
             select(document, paths, scope: true)

    assert [{{_, [_, _], _}, {1, 125}}] =
             document |> select("//i", scope: true, positions: true) |> tl()
  end

  test "many declarations, in as many calls as it takes" do
    count = 10_000
    declarations = for n <- 1..count, do: " xmlns:p#{n}='urn:#{n}'"
    own = for n <- 1..2_000, do: " a#{n}='#{n}'"
    document = ["<r", declarations, "><i", own, " xmlns:p7=''></i></r>"]
    document = IO.iodata_to_binary(document) |> String.replace("xmlns:p7=''", "xmlns:p7='x'")
    opts = [scope: true, max_namespaces: 16_384, max_attributes: 16_384]
    assert [{{nil, "i"}, attributes, []}] = select(document, "r/i", opts)
    assert length(attributes) == count + 2_000
    assert {{nil, "a1"}, "1"} = hd(attributes)
    assert List.last(attributes) == {{@xmlns, "p#{count}"}, "urn:#{count}"}
    assert for({{_, "p7"}, uri} <- attributes, do: uri) == ["x"]

    assert_raise BoundedXml.ParseError, ~r/max_record_bytes/, fn ->
      select(document, "r/i", opts ++ [max_record_bytes: 500_000])
    end
  end

  test "wrong options" do
    for {opts, message} <- [
          {[positions: 1], ~r/:positions must be true or false/},
          {[byte_offsets: nil], ~r/:byte_offsets must be true or false/},
          {[scope: :all], ~r/:scope must be true or false/},
          {[scope: true, namespaces: false], ~r/:scope needs namespaces: true/},
          {[scope: true, as: :raw], ~r/no path gives trees/},
          {[scope: true, fields: [a: "a"]], ~r/no path gives trees/}
        ] do
      assert_raise ArgumentError, message, fn -> BoundedXml.select("<r/>", "r", opts) end
    end

    assert_raise ArgumentError, ~r/unknown options/, fn ->
      BoundedXml.stream("<r/>", scope: true)
    end
  end
end
