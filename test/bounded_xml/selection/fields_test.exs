defmodule BoundedXml.FieldsTest do
  use ExUnit.Case, async: true

  alias BoundedXml.{FieldError, ParseError}

  defp select(source, path, opts \\ []),
    do: source |> BoundedXml.select(path, opts) |> Enum.to_list()

  defp fields(record, fields, opts \\ []),
    do: "<r>#{record}</r>" |> select("r/*", [{:fields, fields} | opts]) |> hd()

  test "the first text, with that of descendants" do
    record = "<i>x<a>1</a><a>2</a><b><a>3</a>b<c/><a>4</a></b></i>"

    assert fields(record, a: "a", b: "b", ba: "b/a", c: "b/c", no: "no") == %{
             a: "1",
             b: "3b4",
             ba: "3",
             c: "",
             no: nil
           }

    assert fields(record, all: ".", any: "//a", star: "*/a", same: "./a", deep: ".//c") ==
             %{all: "x123b4", any: "1", star: "3", same: "1", deep: ""}
  end

  test "attributes, of the record and in it" do
    record = "<i k='1'><a/><a x='2'/><a x='3'/><b><a x='4'/></b></i>"

    assert fields(record, k: "@k", x: "a/@x", bx: "b/a/@x", any: "//a/@x", no: "@no", same: "./@k") ==
             %{k: "1", x: "2", bx: "4", any: "2", no: nil, same: "1"}
  end

  test "attributes are known by their whole names, in any order and company" do
    fields = [x: "@x", px: "@p:x", y: "i/@y"]
    prefixes = %{"p" => "urn:p"}

    items = [
      {"x='1' p:x='2'", "y='3'", "1", "2", "3"},
      {"p:x='2' x='1'", "p:y='0' y='3'", "1", "2", "3"},
      {"p:x='2'", "p:y='0'", nil, "2", nil},
      {"q:x='2' o:x='0'", "q:y='0' xx='4'", nil, "2", nil},
      {"x='&lt;'", "o:y='0' y=''", "<", nil, ""}
    ]

    for order <- [items, Enum.reverse(items)] do
      records = for {own, inner, _, _, _} <- order, do: "<r #{own}><i #{inner}/></r>"
      document = "<d xmlns:p='urn:p' xmlns:q='urn:p' xmlns:o='urn:o'>#{records}</d>"
      expected = for {_, _, x, px, y} <- order, do: %{x: x, px: px, y: y}
      assert select(document, "d/r", fields: fields, prefixes: prefixes) == expected

      # Without namespaces, a prefix is a part of the name.
      literal = [x: "@x", px: "@p:x"]
      found = select(document, "d/r", fields: literal)
      assert Enum.map(found, & &1.x) == Enum.map(expected, & &1.x)
      assert Enum.count(found, &(&1.px == "2")) == 3
    end
  end

  test "attributes of documents with more names than are numbered, and with long ones" do
    long = String.duplicate("n", 200)
    names = for n <- 1..1_200, do: "a#{n}"
    tag = fn value -> ["<r x='", value, "' z='", value, "' ", long, "='", value, "'/>"] end
    many = for name <- names, do: ["<o ", name, "='0'/>"]
    last = ["<r w='0' ", long, "='3' x='3' last='3'/>"]
    document = IO.iodata_to_binary(["<d>", tag.("1"), many, tag.("2"), last, "</d>"])
    fields = [x: "@x", long: "@" <> long, last: "@last"]

    assert select(document, "d/r", fields: fields) == [
             %{x: "1", long: "1", last: nil},
             %{x: "2", long: "2", last: nil},
             %{x: "3", long: "3", last: "3"}
           ]
  end

  test "all of them, in document order" do
    record = "<i><a>1<a>2</a>3</a><b><a>4</a></b><a/></i>"

    assert fields(record, a: {:all, "a"}, any: {:all, "//a"}, no: {:all, "no"}) ==
             %{a: ["123", ""], any: ["123", "2", "4", ""], no: []}

    assert fields("<i x='0'><a x='1'/><a/><a x='2'/></i>", a: {:all, "a/@x"}, own: {:all, "@x"}) ==
             %{a: ["1", "2"], own: ["0"]}
  end

  test "attributes of elements that are open around the record" do
    document = "<r v='1'><g n='a'><i/><g n='b'><i/></g><g><i/></g></g><i/></r>"
    fields = [v: "/r/@v", n: "/r//g/@n", own: "/r/i/@x", no: "/s/@v"]

    assert select(document, "//i", fields: fields) ==
             for(n <- ["a", "b", "a", nil], do: %{v: "1", n: n, own: nil, no: nil})

    assert select("<r x='1'/>", "r", fields: [x: "/r/@x"]) == [%{x: "1"}]
  end

  test "functions convert, and are not called for nil" do
    fields = [n: {:map, "n", &String.to_integer/1}, k: {:map, "@k", &String.upcase/1}]
    document = "<r><i k='a'><n>1</n></i><i/></r>"
    assert select(document, "r/i", fields: fields) == [%{n: 1, k: "A"}, %{n: nil, k: nil}]

    inner = [lines: {:records, "l", [n: {:map, ".", &String.to_integer/1}, s: "@s"]}]

    assert fields("<i><l s='x'>1</l><l>2</l></i>", inner) == %{
             lines: [%{n: 1, s: "x"}, %{n: 2, s: nil}]
           }

    # Labels, and records without functions beside them.
    assert select(document,
             x: {"r/i[@k]", fields: fields},
             y: {"r/i", fields: [n: "n"]},
             z: "r/none"
           ) ==
             [x: %{n: 1, k: "A"}, y: %{n: nil}]

    assert document |> BoundedXml.select("r/i", fields: fields) |> Enum.take(1) == [
             %{n: 1, k: "A"}
           ]
  end

  test "an exception of a function names field, value and place, after the records before it" do
    document = "<r>\n<i><n>1</n></i>\n  <i><n>two</n></i></r>"
    test = self()

    error =
      assert_raise FieldError, fn ->
        document
        |> BoundedXml.select("r/i", fields: [n: {:map, "n", &String.to_integer/1}])
        |> Enum.each(&send(test, &1))
      end

    assert %{field: :n, value: "two", line: 3, column: 3, exception: %ArgumentError{}} = error

    assert Exception.message(error) =~
             ~s(field :n of the record at line 3, column 3, which is "two")

    assert_received %{n: 1}
  end

  test "records in records" do
    record = "<i><l s='7'><q>1</q></l><l s='8'/><l><q>2</q><l s='9'><q>3</q></l></l><q>4</q></i>"

    assert fields(record, lines: {:records, "l", [s: "@s", q: {:all, "//q"}]}, q: "q") ==
             %{lines: [%{s: "7", q: ["1"]}, %{s: "8", q: []}, %{s: nil, q: ["2", "3"]}], q: "4"}

    # Those in another one of their own are part of it.
    assert fields(record, l: {:records, "//l", [s: "@s"]}) == %{
             l: [%{s: "7"}, %{s: "8"}, %{s: nil}]
           }

    assert fields(record, l: {:records, "l", [inner: {:records, "l", [q: "q"]}]}) ==
             %{l: [%{inner: []}, %{inner: []}, %{inner: [%{q: "3"}]}]}

    # Two kinds of them at once, and a field across.
    assert fields("<i><l><m a='1'/></l><m a='2'/></i>",
             l: {:records, "l", [a: "m/@a"]},
             m: {:records, "//m", [a: "@a"]},
             a: {:all, "//@a" |> String.replace("//", "//m/")}
           ) == %{l: [%{a: "1"}], m: [%{a: "1"}, %{a: "2"}], a: ["1", "2"]}
  end

  test "what is required and missing raises with the place of the record" do
    document = "<r>\n<i><t>1</t></i>\n <i><u/></i></r>"

    assert_raise ParseError,
                 ~r/incomplete XML at line 3, column 2 .*no t, which is required/,
                 fn ->
                   select(document, "r/i", fields: [t: "t"], required: [:t])
                 end

    assert_raise ParseError, ~r/no u/, fn ->
      select(document, "r/i", fields: [t: "t", u: {:all, "u"}], required: [:u])
    end

    assert [%{t: "1"}] =
             document
             |> BoundedXml.select("r/i", fields: [t: "t"], required: [:t])
             |> Enum.take(1)

    assert select(document, "r/i[t]" |> String.replace("[t]", ""), fields: [r: "//t"]) == [
             %{r: "1"},
             %{r: nil}
           ]

    for {record, fields} <- [
          {"<i a='1'/>", [x: "@a"]},
          {"<i><l/></i>", [x: {:records, "l", [a: "@a"]}]},
          {"<i/>", [x: "."]}
        ] do
      assert %{x: _} = fields(record, fields, required: [:x])
    end

    assert select("<r v='1'><i/></r>", "r/i", fields: [v: "/r/@v"], required: [:v]) == [%{v: "1"}]

    assert_raise ParseError, fn ->
      select("<r><i/></r>", "r/i", fields: [v: "/r/@v"], required: [:v])
    end
  end

  test "an attribute may be the record, and does not hide what is in its element" do
    document = "<r t='9'><i x='1'><i x='2'/></i><i/></r>"
    assert select(document, "r/@t") == ["9"]
    assert select(document, "//i/@x") == ["1", "2"]

    assert [t: "9", x: "1", i: {"i", _, _}, i: {"i", _, []}] =
             select(document, t: "r/@t", x: "r/i/@x", i: "r/i")

    assert select(document, x: "r/i/@x", i: {"r/i", fields: [x: "@x"]}) == [
             x: "1",
             i: %{x: "1"},
             i: %{x: nil}
           ]
  end

  test "conditions on any step of a field" do
    record = "<i><l r='a' h='1'/><l r='b' h='2'><t>x</t></l></i>"

    assert fields(record, h: "l[@r='b']/@h", t: "l[@r!='a']/t", no: "l[@r='c']/@h") == %{
             h: "2",
             t: "x",
             no: nil
           }
  end

  test "namespaces and prefixes" do
    document =
      "<feed xmlns='urn:a' xmlns:x='urn:x'><entry x:k='1' k='2'><title>t</title><x:title>u</x:title></entry></feed>"

    prefixes = %{"a" => "urn:a", "y" => "urn:x"}

    fields = [
      t: "a:title",
      u: "y:title",
      all: {:all, "title"},
      k: "@k",
      xk: "@y:k",
      xt: [{"urn:x", "title"}]
    ]

    assert select(document, "a:feed/a:entry", prefixes: prefixes, fields: fields) ==
             [%{t: "t", u: "u", all: ["t", "u"], k: "2", xk: "1", xt: "u"}]

    assert select(document, "feed/entry", fields: [u: "x:title", k: "@x:k"]) == [
             %{u: "u", k: "1"}
           ]
  end

  test "entities, CDATA, and text in many pieces" do
    long = String.duplicate("ä long text ", 20_000)

    document =
      "<!DOCTYPE r [<!ENTITY e 'E<b>F</b>'>]><r><i><a>1&amp;<![CDATA[<2>]]>&e;<!-- - --></a><c>#{long}</c></i></r>"

    expected = [%{a: "1&<2>EF", c: long, b: "F"}]
    fields = [a: "a", b: "//b", c: "c"]
    assert select(document, "r/i", fields: fields) == expected
    assert select(document, "r/i", fields: fields, chunk_bytes: 7) == expected
    large = String.duplicate("x", 3_000_000)

    assert [%{a: ^large, k: ^large}] =
             select("<r><i k='#{large}'><a>#{large}</a></i></r>", "r/i", fields: [a: "a", k: "@k"])
  end

  test "short values of a record that is read in several calls, one byte each" do
    long = String.duplicate("y", 2_000)

    document =
      "<r><i k='v'><a>1<x>2</x>3</a><b>b<c>c</c></b><l>#{long}</l><e/><k j='w'>k</k></i><i/></r>"

    asked = [k: "@k", a: "a", b: "b", c: "b/c", l: "l", e: "e", j: "k/@j", t: "k", no: "no"]
    empty = Map.new(asked, fn {key, _path} -> {key, nil} end)

    found = %{k: "v", a: "123", b: "bc", c: "c", l: long, e: "", j: "w", t: "k"}
    expected = Map.merge(empty, found)

    for bytes <- [1, 2, 3, 5, 64, 65_536] do
      assert select(document, "r/i", fields: asked, chunk_bytes: bytes) == [expected, empty]
    end
  end

  test "records of many values are made across calls" do
    values = Enum.map(1..100_000, &Integer.to_string/1)
    document = ["<r><i>", Enum.map(values, &["<v>", &1, "</v>"]), "</i><i><v>x</v></i></r>"]

    assert [%{v: ^values, first: "1"}, %{v: ["x"], first: "x"}] =
             select(document, "r/i", fields: [v: {:all, "v"}, first: "v"])

    expected = Enum.map(values, &%{v: &1})
    assert [%{r: ^expected}, _] = select(document, "r/i", fields: [r: {:records, "v", [v: "."]}])
  end

  test "many fields, more than there are marks for" do
    names = for n <- 1..500, do: {:"f#{n}", "n#{n}"}
    children = for n <- 1..500, do: "<n#{n}>#{n}</n#{n}><n#{n}>again</n#{n}>"
    document = "<r><i>#{children}</i><i/></r>"
    assert [first, second] = select(document, "r/i", fields: names)
    assert first == Map.new(1..500, &{:"f#{&1}", Integer.to_string(&1)})
    assert second == Map.new(1..500, &{:"f#{&1}", nil})
  end

  test "the size of a record is limited, copies of a text included" do
    document = "<r><i>#{String.duplicate("<a>#{String.duplicate("x", 100)}</a>", 100)}</i></r>"
    assert [%{a: "x" <> _}] = select(document, "r/i", fields: [a: "a"], max_record_bytes: 1_000)

    for fields <- [[a: {:all, "a"}], [a: "."], [a: "a", b: "//a", c: {:all, "*"}]] do
      assert_raise ParseError, ~r/max_record_bytes/, fn ->
        select(document, "r/i", fields: fields, max_record_bytes: 1_000)
      end
    end

    nested =
      String.duplicate("<a>", 100) <>
        String.duplicate("x", 1_000) <> String.duplicate("</a>", 100)

    assert_raise ParseError, ~r/max_record_bytes/, fn ->
      select("<r><i>#{nested}</i></r>", "r/i",
        fields: [a: {:all, "//a"}],
        max_record_bytes: 50_000
      )
    end
  end

  test "errors of the document come after the records before them" do
    document = "<r><i><a>1</a></i><i><a>2</b></i></r>"
    test = self()

    assert_raise ParseError, ~r/<\/a> belongs here/, fn ->
      document |> BoundedXml.select("r/i", fields: [a: "a"]) |> Enum.each(&send(test, &1))
    end

    assert_received %{a: "1"}
  end

  test "several roots" do
    assert select("<m><a>1</a></m><m><a>2</a></m>", "m", fields: [a: "a"], roots: :many) == [
             %{a: "1"},
             %{a: "2"}
           ]
  end

  test "what a selection of fields takes is charged, and refunded" do
    document = ["<r><i>", List.duplicate("<v>some text of a value</v>", 50_000), "</i></r>"]

    assert {:ok, 50_000} =
             Quota.try_run(Quota.mib(64), fn ->
               before = Quota.usage().native

               [%{v: values}] =
                 document |> BoundedXml.select("r/i", fields: [v: {:all, "v"}]) |> Enum.to_list()

               assert Quota.usage().native == before
               length(values)
             end)

    assert {:error, %Quota.ExceededError{category: :native}} =
             Quota.try_run(Quota.mib(4), fn ->
               text = String.duplicate("x", 60_000)
               endless = Stream.concat(["<r><i><v>"], Stream.repeatedly(fn -> text end))
               endless |> BoundedXml.select("r/i", fields: [v: "v"]) |> Stream.run()
             end)
  end

  test "wrong fields are refused at once, and say why" do
    wrong = fn opts, path ->
      assert_raise(ArgumentError, fn -> BoundedXml.select("<r/>", path, opts) end).message
    end

    assert wrong.([fields: :a], "r") =~ "keyword list"
    assert wrong.([fields: [a: 1]], "r") =~ "the field :a must be a path"
    assert wrong.([fields: [a: {:map, "a", &Map.get/2}]], "r") =~ "function of one argument"
    assert wrong.([fields: [a: "a", a: "b"]], "r") =~ "the field :a is there twice"
    assert wrong.([fields: [a: "a"], required: [:b]], "r") =~ "[:b]"
    assert wrong.([fields: [a: "a"], required: :a], "r") =~ "list of keys"
    assert wrong.([required: [:b]], "r") =~ ":required needs :fields"
    assert wrong.([fields: [a: "/r/b"]], "r") =~ "ends with an attribute"
    assert wrong.([fields: [a: {:all, "/r/@b"}]], "r") =~ "around the record"
    assert wrong.([fields: [a: {:records, ".", [b: "b"]}]], "r") =~ "elements in the record"
    assert wrong.([fields: [a: {:records, "b/@c", [b: "b"]}]], "r") =~ "elements in the record"
    assert wrong.([fields: [a: "b c"]], "r") =~ "\n    b c\n     ^\n"
    assert wrong.([fields: [a: "./b c"]], "r") =~ "\n    ./b c\n       ^\n"
    assert wrong.([fields: [a: "a"]], "r/@b") =~ "has no fields"
    assert wrong.([fields: [a: "a"]], a: "r") =~ "belong to each"
    assert wrong.([], a: {"r", field: []}) =~ "unknown keys [:field]"
    assert wrong.([], a: {"r", fields: [a: "a"]}, a: "s") =~ "there twice"
    assert wrong.([fields: for(n <- 1..1_025, do: {:"f#{n}", "a"})], "r") =~ "1024"

    assert wrong.([fields: for(n <- 1..70, do: {:"f#{n}", "a#{n}/b"})], "r") =~
             "72 different beginnings"

    nested = Enum.reduce(1..9, [a: "a"], fn _, fields -> [a: {:records, "a", fields}] end)
    assert wrong.([fields: nested], "r") =~ "8 deep"
  end
end
