defmodule BoundedXmlTest do
  use ExUnit.Case, async: true
  doctest BoundedXml
  doctest BoundedXml.ParseError
  doctest BoundedXml.Encode
  doctest BoundedXml.EncodeError
  doctest BoundedXml.Recovery
  doctest BoundedXml.FieldError
  doctest BoundedXml.Selection

  alias Bounded.Test.{TrackedSource, Xml}
  alias BoundedXml.ParseError

  defp events(source, opts \\ []), do: source |> BoundedXml.stream(opts) |> Enum.to_list()

  # What is inside `<r>...</r>`.
  defp content(xml, opts \\ []) do
    ["<r>", xml, "</r>"] |> events(opts) |> Enum.drop(2) |> Enum.drop(-2)
  end

  defp parse_error(source, opts \\ []) do
    assert_raise ParseError, fn -> source |> BoundedXml.stream(opts) |> Stream.run() end
  end

  describe "events" do
    test "the prolog as it was declared" do
      assert [{:start_document, []} | _] = events("<a/>")

      assert [{:start_document, [version: "1.0", encoding: "utf-8", standalone: true]} | _] =
               events("<?xml version='1.0' encoding='utf-8' standalone='yes'?><a/>")
    end

    test "names and values are binaries of their own" do
      document = "<a long='#{String.duplicate("v", 100)}'>#{String.duplicate("t", 100)}</a>"

      for {:start_element, {"a", [{"long", value}]}} <- events(document) do
        assert :binary.referenced_byte_size(value) < 300
      end

      for {:characters, text} <- events(document) do
        assert :binary.referenced_byte_size(text) < 300
      end
    end

    test "text, references and CDATA are one run" do
      assert content("a&lt;<![CDATA[<b>]]>&#x43;") == [characters: "a<<b>C"]
      assert content("") == []
      assert content("a<!-- no -->b<?p i?>c") == [characters: "abc"]
    end

    test "text comes in pieces of at most 64 KiB, cut by whole characters" do
      text = String.duplicate("ä", 50_000)
      assert [characters: first, characters: second] = content(text)
      assert byte_size(first) == 65_536
      assert first <> second == text
    end

    test "names are interned and never atoms" do
      before = :erlang.system_info(:atom_count)
      names = for n <- 1..3_000, do: "never_an_atom_#{n}"
      document = ["<r>", for(name <- names, do: ["<", name, " ", name, "='1'/>"]), "</r>"]

      found = for {:start_element, {name, [{key, _}]}} <- events(document), name == key, do: name
      assert found == names

      # Other tests run beside this one, and load modules.
      assert :erlang.system_info(:atom_count) - before < 1_000
    end
  end

  describe "options" do
    test "doctype: :reject" do
      assert parse_error("<!DOCTYPE a><a/>", doctype: :reject).kind == :unsupported
      assert parse_error("<!DOCTYPE a><a/>", limits: :strict).kind == :unsupported
      assert events("<!DOCTYPE a><a/>", limits: :strict, doctype: :internal) == events("<a/>")
    end

    test "skip_whitespace" do
      assert content(" \n<b/>\t<c> x </c>\r\n", skip_whitespace: true) == [
               start_element: {"b", []},
               end_element: "b",
               start_element: {"c", []},
               characters: " x ",
               end_element: "c"
             ]
    end

    test "text: :joined gives a run as one, up to its limit" do
      text = String.duplicate("x", 200_000)
      assert content(text, text: :joined) == [characters: text]
      big = String.duplicate("xyz", 300_000)
      assert content([big, "&amp;", big], text: :joined) == [characters: big <> "&" <> big]

      error = parse_error(["<a>", text, "</a>"], text: :joined, max_text_bytes: 100_000)
      assert %{kind: :limit, limit: :max_text_bytes, value: 100_000} = error
      assert error.seen > 100_000
    end

    test "positions are where events begin, columns in characters" do
      document = "<a>ä\n  <b/>x</a>"

      assert events(document, positions: true) == [
               {{:start_document, []}, {1, 1}},
               {{:start_element, {"a", []}}, {1, 1}},
               {{:characters, "ä\n  "}, {1, 4}},
               {{:start_element, {"b", []}}, {2, 3}},
               {{:end_element, "b"}, {2, 3}},
               {{:characters, "x"}, {2, 7}},
               {{:end_element, "a"}, {2, 8}},
               {{:end_document, {}}, {2, 12}}
             ]
    end

    test "limits name themselves, their value and what was seen" do
      for {document, option, value} <- [
            {"<a><b><c/></b></a>", :max_depth, 2},
            {"<a x='1' y='2' z='3'/>", :max_attributes, 2},
            {"<abcdef/>", :max_name_bytes, 5},
            {"<a x='12345'/>", :max_attribute_bytes, 4},
            {"<a><!-- 123456789 --></a>", :max_token_bytes, 10},
            {"<a><b/><c/></a>", :max_elements, 2},
            {"<a>1234567890</a>", :max_bytes, 10}
          ] do
        error = parse_error(document, [{option, value}])
        assert %{kind: :limit, limit: ^option, value: ^value} = error
        assert error.seen > value
        assert Exception.message(error) =~ "pass a larger #{option}"

        assert [{:start_document, []} | _] = events(document, [{option, 1_000}])
      end
    end

    test "large attribute values arrive whole" do
      values = for n <- 1..3, do: String.duplicate("v#{n}", 400_000)
      [a, b, c] = values
      document = ["<r a='", a, "' s='small' b='", b, "' c='", c, "'/>"]
      assert [_, {:start_element, {"r", attributes}} | _] = events(document)
      assert attributes == [{"a", a}, {"s", "small"}, {"b", b}, {"c", c}]

      many = for n <- 1..200, do: {"n#{n}", String.duplicate("w", 5_000 + n)}
      document = ["<r", for({name, value} <- many, do: [" ", name, "='", value, "'"]), "/>"]
      assert [_, {:start_element, {"r", ^many}} | _] = events(document)
    end
  end

  describe "sources" do
    @describetag :tmp_dir

    test "a binary, iodata, an enumerable and a file give the same", %{tmp_dir: directory} do
      document = "<a>" <> String.duplicate("<b c='d'>text</b>\n", 20_000) <> "</a>"
      path = Path.join(directory, "document.xml")
      File.write!(path, document)
      expected = events(document)
      assert length(expected) == 80_004

      assert events({:file, path}) == expected
      assert events({:file, path}, chunk_bytes: 999) == expected
      assert events(File.stream!(path)) == expected
      assert events([document]) == expected
      assert events(~c"<a/>") == events("<a/>")
      assert events([?<, ["a" | "/"] | ">"]) == events("<a/>")
      assert events(Stream.map(["<", "a/>"], &[[], [&1]])) == events("<a/>")
      assert events(fn acc, fun -> Enumerable.reduce(["<a/>"], acc, fun) end) == events("<a/>")
    end

    test "what is none is refused at once" do
      assert_raise ArgumentError, ~r/the source must be/, fn -> BoundedXml.stream(:document) end
      assert_raise ArgumentError, ~r/the source must be/, fn -> BoundedXml.stream(<<1::3>>) end
      assert_raise ArgumentError, ~r/needs a path/, fn -> BoundedXml.stream({:file, 1}) end
    end

    test "a file that cannot be opened", %{tmp_dir: directory} do
      stream = BoundedXml.stream({:file, Path.join(directory, "none.xml")})
      assert_raise File.Error, ~r/none\.xml/, fn -> Stream.run(stream) end
      assert_raise File.Error, fn -> Stream.run(BoundedXml.stream({:file, directory})) end
    end

    test "an element that is no iodata closes the source" do
      for {term, shown} <- [
            {:b, ":b"},
            {{"b", 0}, ~s({"b", 0})},
            {{:status, 200}, "{:status, 200}"}
          ],
          open <- [&BoundedXml.stream/1, &BoundedXml.select(&1, "a")],
          before <- [[], ["<a>"], ["<a>", ["b"]]] do
        source = TrackedSource.new(before ++ [term])
        error = assert_raise ArgumentError, fn -> source |> open.() |> Stream.run() end
        assert error.message =~ "not iodata: #{shown}"
        assert_received :closed
        refute_received :closed
      end

      for source <- [Stream.with_index(["<a>", "</a>"]), [{"<a>", 0}], %{"<a/>" => 0}] do
        assert_raise ArgumentError, ~r/not iodata: {"<a/, fn ->
          Stream.run(BoundedXml.stream(source))
        end
      end
    end
  end

  describe "errors" do
    test "come after the events before them, with the place" do
      assert {events, %ParseError{} = error} = Xml.events(["<a>\n", "<b>ä</c></a>"])
      assert %{kind: :malformed, line: 2, column: 5, byte_offset: 9} = error
      assert List.last(events) == {:characters, "ä"}
    end

    test "documents cut short" do
      for document <- ["", " ", "<", "<a", "<a>", "<a>x", "<a></a", "<a/><!--", "<a>&am"] do
        assert %{kind: :truncated} = error = parse_error(document)
        assert Exception.message(error) =~ "truncated XML at line 1"
      end

      for whole <- [
            "<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE r [<!ENTITY e 'x'>]><r a='é&amp;'>&e;<!--c--><?p d?>" <>
              "<![CDATA[x]]></r>"
          ],
          size <- 0..(byte_size(whole) - 1),
          part = binary_part(whole, 0, size),
          chunks <- [[part], Xml.cut(part, 1)] do
        assert %{kind: :truncated} = parse_error(Enum.reject(chunks, &(&1 == "")))
      end

      assert %{kind: :truncated} = parse_error(<<0xFF, 0xFE, ?<, 0, ?r, 0, ?>>>)
      # What is wrong already stays wrong, whatever might follow.
      assert %{kind: :malformed} = parse_error("<a><b></a>")
      assert %{kind: :malformed} = parse_error("<a b>")
    end

    test "a DOCTYPE that is refused names the option" do
      for opts <- [[doctype: :reject], [limits: :strict]] do
        assert %{kind: :unsupported, reason: reason} = parse_error("<!DOCTYPE r><r/>", opts)
        assert reason =~ "doctype: :reject" and reason =~ "doctype: :internal"
      end

      assert {[_ | _], nil} = Xml.events("<!DOCTYPE r><r/>", limits: :strict, doctype: :internal)
    end

    test "a reference to a forbidden character names both" do
      for {reference, character} <- [
            {"&#x1A;", "U+001A"},
            {"&#8;", "U+0008"},
            {"&#xD83D;", "U+D83D"},
            {"&#x110000;", "beyond U+10FFFF"},
            {"&#99999999999;", "beyond U+10FFFF"}
          ],
          document <- ["<r>#{reference}</r>", "<r a='#{reference}'/>"] do
        assert %{kind: :malformed, reason: reason} = parse_error(document)
        assert reason =~ "#{reference} is #{character}, which XML does not allow"
      end

      declared = "<!DOCTYPE r [<!ENTITY e '&#x1A;'>]><r/>"

      assert parse_error(declared).reason =~
               "this reference is to U+001A, which XML does not allow"
    end

    test "an unknown encoding says where the list is, and gzip how it is read" do
      assert %{kind: :unsupported, reason: reason} =
               parse_error("<?xml version='1.0' encoding='klingon'?><r/>")

      assert reason =~ "klingon" and reason =~ "BoundedXml.encodings/0"
      assert %{kind: :unsupported, reason: reason} = parse_error(:zlib.gzip("<r/>"))
      assert reason =~ "{:file, path, [:compressed]}"
    end

    test "never show the buffer" do
      secret = String.duplicate("secret", 1_000)
      error = parse_error(["<a b='", secret, "' c></a>"])
      refute Exception.message(error) =~ "secret"
      assert byte_size(inspect(error)) < 1_000
    end
  end
end
