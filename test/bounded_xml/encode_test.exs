defmodule BoundedXml.EncodeTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.{Emulated, Trees}
  alias BoundedXml.EncodeError

  defp tree(xml, opts \\ []) do
    [tree] =
      xml |> BoundedXml.select("*", [max_record_bytes: 1_000_000_000] ++ opts) |> Enum.to_list()

    tree
  end

  defp error(content, opts \\ []) do
    assert_raise EncodeError, fn -> BoundedXml.encode(content, opts) end
  end

  describe "trees" do
    test "read as what was written" do
      for _ <- 1..Emulated.fewer(40) do
        written = Trees.tree(4)

        for opts <- [[], [quote: :single], [empty: :expand], [declaration: true]] do
          xml = BoundedXml.encode(written, opts)
          assert tree(xml, limits: :trusted) == written
          pieces = BoundedXml.encode_to_iodata(written, opts)
          assert IO.iodata_to_binary(pieces) == xml
          assert Enum.all?(pieces, &(byte_size(&1) <= 65_536 and String.valid?(&1)))
        end
      end
    end

    test "are written as few characters as need be" do
      for {tree, xml} <- [
            {{"a", [], []}, "<a/>"},
            {{"a", [], [""]}, "<a/>"},
            {{"a", [{"b", "1"}, {"c", ""}], ["x"]}, ~s(<a b="1" c="">x</a>)},
            {{"a", [], ["<&>\"'\r\n\t"]}, "<a>&lt;&amp;&gt;\"'&#13;\n\t</a>"},
            {{"a", [{"b", "<&>\"'\r\n\t"}], []}, ~s(<a b="&lt;&amp;&gt;&quot;'&#13;&#10;&#9;"/>)},
            {{"a", [], [{:characters, "x"}, "y"]}, "<a>xy</a>"}
          ] do
        assert BoundedXml.encode(tree) == xml
      end

      assert BoundedXml.encode({"a", [{"b", "'\""}], []}, quote: :single) == "<a b='&apos;\"'/>"
      assert BoundedXml.encode({"a", [], [{"b", [], []}]}, empty: :expand) == "<a><b></b></a>"
    end

    test "of Saxy's simple form are written with all their contents" do
      content = [
        {:characters, "<"},
        {:cdata, "a]]>b\rc"},
        {:comment, " c "},
        {:processing_instruction, "t", "d"},
        {:reference, {:entity, "amp"}},
        {:reference, {:decimal, 65}},
        {:reference, {:hexadecimal, 0x1F600}}
      ]

      xml = BoundedXml.encode({"a", [], content})

      assert xml ==
               "<a>&lt;<![CDATA[a]]]]><![CDATA[>b]]>&#13;<![CDATA[c]]><!-- c --><?t d?>&amp;&#65;&#x1F600;</a>"

      assert tree(xml) == {"a", [], ["<a]]>b\rc&A😀"]}
    end

    @tag :native_speed
    test "may be as deep and as wide as memory allows" do
      deep = Enum.reduce(1..300_000, "x", fn _, tree -> {"a", [], [tree]} end)
      xml = BoundedXml.encode(deep)
      assert xml == String.duplicate("<a>", 300_000) <> "x" <> String.duplicate("</a>", 300_000)

      wide = {"a", [], for(n <- 1..100_000, do: {"b", [{"n", "#{n}"}], []})}
      assert tree(BoundedXml.encode(wide)) == wide

      long = {"a", for(n <- 1..16_384, do: {"k#{n}", "v"}), []}
      assert tree(BoundedXml.encode(long), limits: :trusted) == long
    end

    test "with long texts and values are written in parts" do
      for unit <- ["x", "é", "€<", "😀\r"], size <- [65_535, 65_537, 200_000, 3_000_000] do
        text = String.duplicate(unit, div(size, byte_size(unit)))

        tree = {"a", [{"k", text}, {"l", "1"}], [text, {"b", [], [text]}]}
        assert tree(BoundedXml.encode(tree), limits: :trusted) == tree

        for content <- [
              {:comment, String.replace(text, "\r", " ")},
              {:cdata, text},
              {:processing_instruction, {"t", String.replace(text, "\r", " ")}}
            ] do
          xml = BoundedXml.encode({"a", [], [content]})

          {kind, expected} = content
          emit = [emit: [:comments, :processing_instructions], text: :joined, limits: :trusted]
          events = xml |> BoundedXml.stream(emit) |> Enum.to_list()
          kind = if kind == :cdata, do: :characters, else: kind
          assert Enum.at(events, 2) == {kind, expected}
        end
      end
    end

    test "of binaries that do not start on a byte are written as well" do
      unaligned = fn text ->
        <<_::4, text::binary>> = <<0::4, text::binary>>
        text
      end

      tree = {unaligned.("name"), [{unaligned.("k"), unaligned.("v<")}], [unaligned.("t>")]}
      assert BoundedXml.encode(tree) == ~s(<name k="v&lt;">t&gt;</name>)
    end
  end

  describe "events" do
    test "are written as the trees that they make" do
      for _ <- 1..Emulated.fewer(100) do
        tree = Trees.tree(4)
        assert BoundedXml.encode(Trees.events(tree)) == BoundedXml.encode(tree)
      end
    end

    test "and trees may be mixed, with places" do
      content = [
        {{:start_document, []}, {1, 1}},
        {:start_element, {"a", [{"k", "1"}]}},
        "x",
        {"b", [], [{:start_element, {"c", []}}, {:end_element, "c"}]},
        {{:characters, "y"}, {2, 1}},
        {:end_element, "a"},
        {:end_document, {}}
      ]

      assert BoundedXml.encode(content) == ~s(<a k="1">x<b><c/></b>y</a>)
    end

    test "of the prolog are written before the root" do
      prolog = [version: "1.0", encoding: "ISO-8859-1", standalone: true]
      doctype = {:doctype, name: "a", system_id: "a.dtd", internal_subset: "<!ENTITY e 'x'>"}

      content = [
        {:start_document, prolog},
        doctype,
        {:comment, "c"},
        {"a", [], []},
        {:comment, "d"}
      ]

      assert BoundedXml.encode(content) ==
               ~s(<?xml version="1.0" encoding="UTF-8" standalone="yes"?>) <>
                 ~s(<!DOCTYPE a SYSTEM "a.dtd" [<!ENTITY e 'x'>]><!--c--><a/><!--d-->)

      assert BoundedXml.encode(content, declaration: false) =~ ~r/\A<!DOCTYPE/
      assert BoundedXml.encode([{:start_document, []}, {"a", [], []}]) == "<a/>"

      # As long as a parser may have read it.
      version = "1." <> String.duplicate("4", 998)

      assert BoundedXml.encode([{:start_document, [version: version]}, {"a", [], []}]) ==
               ~s(<?xml version="#{version}"?><a/>)

      public = {:doctype, name: "a", public_id: "-//X", system_id: ~s(a"b)}

      assert BoundedXml.encode([public, {"a", [], []}]) ==
               ~s(<!DOCTYPE a PUBLIC "-//X" 'a"b'><a/>)
    end
  end

  describe "indenting" do
    test "breaks lines between elements, and leaves text as it is" do
      tree =
        {"a", [],
         [
           {"b", [], ["x"]},
           {"c", [], [{"d", [], []}, {:comment, "e"}]},
           {"f", [], [{"g", [], [{"h", [], []}]}, " text"]},
           {"i", [{"xml:space", "preserve"}], [{"j", [], []}]}
         ]}

      assert BoundedXml.encode(tree, indent: 2, declaration: true) == """
             <?xml version="1.0" encoding="UTF-8"?>
             <a>
               <b>x</b>
               <c>
                 <d/>
                 <!--e-->
               </c>
               <f><g><h/></g> text</f>
               <i xml:space="preserve"><j/></i>
             </a>\
             """
    end

    test "of events raises where text follows a child" do
      events = [
        {:start_element, {"a", []}},
        {"b", [], []},
        {:characters, "x"},
        {:end_element, "a"}
      ]

      assert %{kind: :indent, path: "/a"} = error(events, indent: 2)
      assert BoundedXml.encode(List.delete_at(events, 2), indent: 1) == "<a>\n <b/>\n</a>"
    end

    test "adds nothing but white space between elements" do
      for _ <- 1..Emulated.fewer(100) do
        tree = Trees.tree(4)
        xml = BoundedXml.encode(tree, indent: 1)
        assert xml |> tree(limits: :trusted) |> trimmed() == trimmed(tree)
      end
    end

    defp trimmed({name, attributes, children}) do
      space? = &(is_binary(&1) and String.trim(&1, " ") in ["\n", ""] and &1 =~ "\n")

      children =
        if Enum.any?(children, &(is_binary(&1) and not space?.(&1))),
          do: children,
          else: children |> Enum.reject(space?) |> Enum.map(&trimmed/1)

      {name, attributes, children}
    end
  end

  describe "errors" do
    test "say what cannot be written, and where" do
      for {content, kind, path} <- [
            {{"a b", [], []}, :name, "/"},
            {{"", [], []}, :name, "/"},
            {{"-a", [], []}, :name, "/"},
            {{"a\xFF", [], []}, :name, "/"},
            {{"a", [{"1", ""}], []}, :name, "/"},
            {{"a", [], ["\0"]}, :character, "/a"},
            {{"a", [], ["x\uFFFE"]}, :character, "/a"},
            {{"a", [{"k", "\x1F"}], []}, :character, "/a/@k"},
            {{"a", [], ["x\xFF"]}, :encoding, "/a"},
            {{"a", [{"k", <<0xED, 0xA0, 0x80>>}], []}, :encoding, "/a/@k"},
            {{"a", [], [String.duplicate("é", 100_000) <> <<0xC3>>]}, :encoding, "/a"},
            {{"a", [{"k", "1"}, {"l", "2"}, {"k", "3"}], []}, :attribute, "/a"},
            {{"a", for(n <- 1..40, do: {"k#{rem(n, 39)}", ""}), []}, :attribute, "/a"},
            {{"a", for(n <- 1..16_385, do: {"k#{n}", ""}), []}, :attribute, "/a"},
            {{"a", [], [{:comment, "--"}]}, :comment, "/a"},
            {{"a", [], [{:comment, "x-"}]}, :comment, "/a"},
            {{"a", [], [{:comment, String.duplicate("x", 65_536) <> "--"}]}, :comment, "/a"},
            {{"a", [], [{:comment, String.duplicate("x", 65_535) <> "--"}]}, :comment, "/a"},
            {{"a", [], [{:comment, String.duplicate("x", 99_999) <> "-"}]}, :comment, "/a"},
            {{"a", [], [{:comment, "\0"}]}, :character, "/a"},
            {{"a", [], [{:cdata, "\0"}]}, :character, "/a"},
            {{"a", [], [{:processing_instruction, {"t", "?>"}}]}, :instruction, "/a"},
            {{"a", [], [{:processing_instruction, {"XmL", ""}}]}, :instruction, "/a"},
            {{"a", [], [{:processing_instruction, {"a b", ""}}]}, :name, "/a"},
            {{"a", [], [{:skipped_entity, "e"}]}, :entity, "/a"},
            {{"a", [], [{:reference, {:decimal, 0}}]}, :character, "/a"},
            {{"a", [], [{:end_element, "a"}]}, :nesting, "/a"},
            {{"a", [], [{:start_element, {"b", []}}]}, :nesting, "/a/b[1]"},
            {[{:start_element, {"a", []}}, {:end_element, "b"}], :nesting, "/a"},
            {[{:start_element, {"a", []}}], :nesting, "/a"},
            {[{:end_element, "a"}], :nesting, "/"},
            {[{"a", [], []}, {"b", [], []}], :root, "/"},
            {[{"a", [], []}, "text"], :root, "/"},
            {["text"], :root, "/"},
            {[], :root, "/"},
            {[{:comment, "x"}], :root, "/"},
            {[{:comment, "x"}, {:start_document, [version: "1.0"]}], :declaration, "/"},
            {[{:start_document, [version: "2.0"]}], :declaration, "/"},
            {[{:start_document, [version: "1."]}], :declaration, "/"},
            {[{:start_document, [version: "1." <> String.duplicate("4", 999)]}], :declaration,
             "/"},
            {[{"a", [], []}, {:doctype, name: "a"}], :doctype, "/"},
            {[{:doctype, name: "a", internal_subset: "]><b>"}], :doctype, "/"},
            {[{:doctype, name: "a", internal_subset: String.duplicate(" ", 98_304)}], :doctype,
             "/"},
            {[{:doctype, name: "a", public_id: "x"}], :doctype, "/"},
            {[{:doctype, name: "a", public_id: "é", system_id: ""}], :doctype, "/"},
            {[{:doctype, name: "a", system_id: ~s("')}], :doctype, "/"},
            {{"a", [], ["x", {"b", [], [{"c", [], [{"d", [{"k", <<1>>}], []}]}]}]}, :character,
             "/a/b[2]/c[1]/d[1]/@k"}
          ] do
        error = error(content)

        assert {error.kind, error.path} == {kind, path},
               "#{inspect(content, limit: 5)}: #{inspect(error)}"

        assert Exception.message(error) =~ error.reason
      end
    end

    test "name terms of the wrong shape" do
      for {content, path} <- [
            {1, "/"},
            {nil, "/"},
            {{"a", [], nil}, "/a/*[1]"},
            {{"a", [], "x"}, "/a/*[1]"},
            {{"a", [], ["x" | "y"]}, "/a/*[2]"},
            {["x" | "y"], nil},
            {{"a", %{}, []}, "/"},
            {{"a", [{"k", "v"} | {"l", "w"}], []}, "/"},
            {{"a", [{"k", 1}], []}, "/"},
            {{"a", [{:k, "1"}], []}, "/"},
            {{"a", [{"k", "1", "2"}], []}, "/"},
            {{:a, [], []}, "/"},
            {{{"u", "v", "w"}, [], []}, "/"},
            {{{"u", nil}, [], []}, "/"},
            {{"a", [], [1.0]}, "/a/*[1]"},
            {{"a", [], [~c"x"]}, "/a/*[1]"},
            {{"a", [], [<<1::3>>]}, "/a/*[1]"},
            {{"a", [], [{}]}, "/a/*[1]"},
            {{"a", [], [{:characters, 1}]}, "/a/*[1]"},
            {{"a", [], [{:unknown, "x"}]}, "/a/*[1]"},
            {{"a", [], [{:start_element, "b"}]}, "/a/*[1]"},
            {{"a", [], [{:reference, {:entity, 1}}]}, "/a/*[1]"},
            {{"a", [], [{:processing_instruction, "x"}]}, "/a/*[1]"},
            {{"a", [], [{{{:characters, "x"}, {1, 1}}, {1, 1}}]}, "/a/*[1]"},
            {[{:doctype, []}], "/"},
            {[{:doctype, name: 1}], "/"},
            {[{:start_document, [version: 1]}], "/"},
            {[{:start_document, [unknown: "1"]}], "/"}
          ] do
        error = error(content)
        assert error.kind in [:shape, :root], inspect(content)
        if path && error.kind == :shape, do: assert(error.path == path, inspect(content))
      end

      large = {:wrong, String.duplicate("secret", 100_000)}
      assert byte_size(Exception.message(error({"a", [], [large]}))) < 300
    end

    test "of deep documents have a short path" do
      deep = Enum.reduce(1..10_000, <<0>>, fn n, tree -> {"a#{n}", [], [tree]} end)
      error = error(deep)
      assert error.path =~ ~r"\A\.\.\./.*/a2\[1\]/a1\[1\]\z"
      assert byte_size(error.path) < 200
    end

    test "the declaration says what it is told to, and an encoding only if there is one" do
      declared = fn options -> BoundedXml.encode({"a", [], []}, declaration: options) end
      assert declared.(version: "1.1", encoding: nil) == ~s(<?xml version="1.1"?><a/>)

      assert declared.(encoding: "utf-8", standalone: true) =~
               ~r/encoding="utf-8" standalone="yes"/i

      assert declared.(standalone: false) =~ ~s(standalone="no")
      refute declared.(standalone: nil) =~ "standalone"
    end

    test "wrong options are named" do
      for opts <- [
            [unknown: 1],
            [indent: -1],
            [indent: "  "],
            [empty: true],
            [quote: ?"],
            [prefixes: [a: "b"]],
            [prefixes: %{"xml" => "u"}],
            [prefixes: %{"a" => ""}],
            [declaration: [encoding: "latin1"]],
            [declaration: [version: "2.0"]],
            [declaration: [standalone: "yes"]],
            [declaration: [charset: "UTF-8"]],
            [declaration: "yes"],
            :no
          ] do
        assert_raise ArgumentError, fn -> BoundedXml.encode({"a", [], []}, opts) end
      end
    end
  end

  test "a long string has to begin at a whole byte of its binary, a short one need not" do
    unaligned = fn text ->
      <<_::1, unaligned::binary>> = <<0::1, text::binary>>
      unaligned
    end

    short = unaligned.(String.duplicate("<", 32_768))
    written = BoundedXml.encode({"a", [{"k", short}], [short, {:comment, short}]})
    assert byte_size(written) > 9 * 32_768

    long = unaligned.(String.duplicate("x", 32_769))

    for tree <- [
          {"a", [], [long]},
          {"a", [{"k", long}], []},
          {"a", [], [{:characters, long}]},
          {"a", [], [{:cdata, long}]}
        ] do
      error = assert_raise BoundedXml.EncodeError, fn -> BoundedXml.encode(tree) end
      assert error.kind == :shape and error.reason =~ "BoundedBinary.copy/1"
    end

    copied = BoundedBinary.copy(long)
    assert byte_size(BoundedXml.encode({"a", [], [copied]})) == 32_769 + 7
  end
end
