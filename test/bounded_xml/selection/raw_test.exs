defmodule BoundedXml.RawTest do
  use ExUnit.Case, async: true

  # The source text of elements, by itself and as a field.

  alias Bounded.Test.{Accounts, Xml}
  alias BoundedXml.ParseError

  defp select(source, path, opts),
    do: source |> BoundedXml.select(path, opts) |> Enum.to_list()

  # The same however the document is cut.
  defp at_every_cut(document, path, opts) do
    whole = select(document, path, opts)

    for size <- [1, 2, 3, 5, 11],
        do: assert(select(document, path, [{:chunk_bytes, size} | opts]) == whole)

    for at <- 0..byte_size(document) do
      <<front::binary-size(at), back::binary>> = document
      assert select(Stream.concat([[front, back]]), path, opts) == whole, "cut at #{at}"
    end

    whole
  end

  test "an element as it is written" do
    element = "<i  a='1\t&lt;' >é&amp;<![CDATA[<i>]]><!-- <i> --><?p <i?><b/>\r\n<i>in</i ></i\n>"

    document = "<r>\n<i/>x#{element}<no>#{element}</no></r>"
    assert at_every_cut(document, "r/i", as: :raw) == ["<i/>", element]
    assert at_every_cut(document, "r/i", as: :raw, namespaces: true) == ["<i/>", element]
    assert at_every_cut(document, "r/i", as: :raw, skip_whitespace: true) == ["<i/>", element]
    assert at_every_cut(document, "*", as: :raw) == [document]
  end

  test "fields, in each other and beside others" do
    document = "<r><i k='v'>1<b>2<c x='&amp;'>3</c></b><b/><d>4</d></i><i/></r>"
    c = "<c x='&amp;'>3</c>"

    fields = [
      b: {:raw, "b"},
      c: {:raw, "b/c"},
      all: {:all, {:raw, "b"}},
      up: {:map, {:raw, "d"}, &String.upcase/1},
      own: {:raw, "."},
      any: {:all, {:raw, "//c"}},
      text: ".",
      inner: "b",
      lines: {:records, "b", [c: {:raw, "c"}, own: {:raw, "."}]},
      k: "@k"
    ]

    record = %{
      b: "<b>2#{c}</b>",
      c: c,
      all: ["<b>2#{c}</b>", "<b/>"],
      up: "<D>4</D>",
      own: "<i k='v'>1<b>2#{c}</b><b/><d>4</d></i>",
      any: [c],
      text: "1234",
      inner: "23",
      lines: [%{c: c, own: "<b>2#{c}</b>"}, %{c: nil, own: "<b/>"}],
      k: "v"
    }

    none = %{
      b: nil,
      c: nil,
      all: [],
      up: nil,
      own: "<i/>",
      any: [],
      text: "",
      inner: nil,
      lines: [],
      k: nil
    }

    assert at_every_cut(document, "r/i", fields: fields) == [record, none]
    assert at_every_cut(document, "r/i", fields: fields, namespaces: true) == [record, none]

    # Without a text around it, what is in it is skipped.
    assert at_every_cut(document, "r/i", fields: [b: {:raw, "b"}, c: {:raw, "b/c"}]) ==
             [%{b: "<b>2#{c}</b>", c: c}, %{b: nil, c: nil}]

    error =
      assert_raise ParseError, fn -> select(document, "r/i", fields: fields, required: [:b]) end

    assert %{kind: :missing, column: column} = error
    assert column == 4 + String.length(record.own)
  end

  test "beside other paths, and of each root element" do
    document = "<r><i>1</i><t>2</t><u a='3'>4</u></r>"
    paths = [i: {"r/i", as: :raw}, t: "r/t", u: {"r/u", fields: [u: {:raw, "."}]}, a: "r/u/@a"]

    assert at_every_cut(document, paths, []) ==
             [i: "<i>1</i>", t: {"t", [], ["2"]}, a: "3", u: %{u: "<u a='3'>4</u>"}]

    roots = "<?xml version='1.0'?><a>1</a>\n<b/><?xml version='1.0'?><a>\r</a>"
    assert at_every_cut(roots, "*", as: :raw, roots: :many) == ["<a>1</a>", "<b/>", "<a>\r</a>"]
  end

  test "a reference stands for what comes out of an entity" do
    document =
      "<!DOCTYPE r [<!ENTITY e '<i>1</i>&f;'><!ENTITY f '<b/>'>]><r>&e;<i>&f;<b>&e;</b></i></r>"

    assert at_every_cut(document, "r/i", as: :raw) == ["&e;", "<i>&f;<b>&e;</b></i>"]

    assert at_every_cut(document, "r/i", fields: [b: {:all, {:raw, "b"}}, t: "."]) ==
             [%{b: [], t: "1"}, %{b: ["&f;", "<b>&e;</b>"], t: "1"}]
  end

  test "recovered errors stay as they are written, but for characters" do
    document = " <?xml version='1.0'?><r><i>&nbsp;&no; & &#1;\x01</i></r>"
    opts = [as: :raw, recover: :all]
    assert at_every_cut(document, "r/i", opts) == ["<i>&nbsp;&no; & &#1;\uFFFD</i>"]
    test = self()
    select(document, "r/i", opts ++ [on_recover: &send(test, &1)])
    assert_received {:ampersands, "&", {1, 40}}
  end

  test "it is UTF-8, whatever the document is in" do
    for {name, character, encode} <- Xml.encodings() do
      text = ~s(<i a="#{character}">x#{character}</i>)
      document = encode.(~s(<?xml version="1.0" encoding="#{name}"?><r>#{text}</r>))
      assert at_every_cut(document, "r/i", as: :raw) == [text], name
    end
  end

  test "its size is limited, and the error is the same at any cut" do
    document =
      "<r><i>#{String.duplicate("é", 50)}</i>\n<i>#{String.duplicate("é", 51)}</i><i></r>"

    # The text and 16 bytes for it.
    opts = [as: :raw, max_record_bytes: 107 + 16]
    test = self()

    errors =
      for size <- [1, 7, 1_000] do
        assert_raise ParseError, fn ->
          document
          |> BoundedXml.select("r/i", [{:chunk_bytes, size} | opts])
          |> Enum.each(&send(test, {size, &1}))
        end
      end

    for size <- [1, 7, 1_000], do: assert_received({^size, "<i>é" <> _})

    assert [%{kind: :limit, limit: :max_record_bytes, line: 2, column: 1} = error] =
             Enum.uniq(errors)

    assert Exception.message(error) =~ "max_record_bytes is 123, and a selected element has 124"

    # Elements in each other are counted for each.
    fields = [a: {:raw, "."}, b: {:raw, "b"}]
    record = "<r><i><b>#{String.duplicate("x", 100)}</b></i></r>"
    bytes = 114 + 107 + 2 * 16
    assert [_] = select(record, "r/i", fields: fields, max_record_bytes: bytes)

    assert_raise ParseError, ~r/max_record_bytes/, fn ->
      select(record, "r/i", fields: fields, max_record_bytes: bytes - 1)
    end
  end

  test "it is charged before it is copied, and given back" do
    large = String.duplicate("<x>some text</x>", 100_000)
    document = Xml.cut("<r><i>#{large}</i></r>", 65_536)

    account =
      Accounts.in_account(4_000_000, fn account ->
        assert [record] = select(document, "r/i", as: :raw)
        assert record == "<i>#{large}</i>"
        # A large binary is charged while there are references to it.
        assert Accounts.reserved(account) >= byte_size(record)
      end)

    Accounts.assert_refunded(account)

    account =
      Accounts.in_account(1_000_000, fn _account ->
        error = assert_raise Quota.ExceededError, fn -> select(document, "r/i", as: :raw) end
        assert error.category in [:native, :binary]
      end)

    Accounts.assert_refunded(account)
  end

  test "what is not taken is not copied" do
    large =
      Xml.cut("<r><no>#{String.duplicate("<x>some text</x>", 200_000)}</no><i/></r>", 65_536)

    account =
      Accounts.in_account(400_000, fn _ -> assert select(large, "r/i", as: :raw) == ["<i/>"] end)

    Accounts.assert_refunded(account)
  end

  test "what cannot be raw is an ArgumentError" do
    for {path, opts, message} <- [
          {"r/i", [as: :text], ~r/:as must be :tree or :raw/},
          {"r/i/@a", [as: :raw], ~r/leads to an attribute/},
          {"r/i", [as: :raw, fields: [a: "a"]], ~r/has no :fields/},
          {"r/i", [as: :raw, required: [:a]], ~r/:required needs :fields/},
          {"r/i", [fields: [a: {:raw, "@a"}]], ~r/no source text/},
          {"r/i", [fields: [a: {:raw, "/r/@a"}]], ~r/no source text/},
          {"r/i", [fields: [a: {:raw, {:all, "a"}}]], ~r/the path must be/},
          {[i: "r/i"], [as: :raw], ~r/belong to each/}
        ] do
      assert_raise ArgumentError, message, fn -> BoundedXml.select("<r/>", path, opts) end
    end
  end
end
