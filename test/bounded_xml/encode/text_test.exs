defmodule BoundedXml.Encode.TextTest do
  use ExUnit.Case, async: true

  # `BoundedXml.escape/1` and `unescape/2`.

  alias Bounded.Test.{Accounts, Trees}

  test "what is escaped comes back, whatever its length" do
    for n <- 1..200, text = Trees.text(), text = String.duplicate(text, rem(n, 3) + 1) do
      escaped = BoundedXml.escape(text)
      refute escaped =~ ~r/[<>"'\r\n\t]/
      assert BoundedXml.unescape(escaped) == text

      assert BoundedXml.parse!("<a k=\"#{escaped}\"/>", limits: :trusted) ==
               {"a", [{"k", text}], []}
    end
  end

  test "what has nothing to escape is the same binary" do
    text = String.duplicate("größe ", 100_000)
    assert same?(BoundedXml.escape(text), text)
    assert same?(BoundedXml.unescape(text), text)
    assert BoundedXml.escape("") == "" and BoundedXml.unescape("") == ""
  end

  test "parts end anywhere" do
    for shift <- 0..12, reference <- ["&amp;", "&#x1F600;", "&nbsp;", "😀", "&own;"] do
      text = String.duplicate("x", 32_768 - shift) <> reference <> String.duplicate("y", 70_000)

      own = fn
        "own" -> "&amp;"
        "nbsp" -> "\u00A0"
      end

      expected = %{"&amp;" => "&", "&nbsp;" => "\u00A0", "&own;" => "&amp;"}
      expected = Map.get(expected, reference, "😀")
      unescaped = BoundedXml.unescape(text, entities: own)
      assert unescaped == String.replace(text, reference, expected)
      assert BoundedXml.unescape(BoundedXml.escape(text)) == text
    end
  end

  test "a text whose bytes lie across those of its binary" do
    text = String.duplicate("a<é", 50_000)
    <<_::1, unaligned::binary>> = <<0::1, text::binary>>
    assert BoundedXml.escape(unaligned) == String.replace(text, "<", "&lt;")
    assert BoundedXml.unescape(unaligned) == text
  end

  test "entities: a map, a function, those of HTML" do
    assert BoundedXml.unescape("&a;&lt;&b;", entities: %{"a" => "1", "b" => ""}) == "1<"
    # What the document's five stand for is fixed.
    assert BoundedXml.unescape("&lt;", entities: %{"lt" => "x"}) == "<"
    assert BoundedXml.unescape("&nbsp;&eacute;&nLt;", entities: :html) == "\u00A0é\u226A\u20D2"
    # As long as what it stands for: a byte more, a byte less.
    assert BoundedXml.unescape("&nLt;&#xA0;&#38;", entities: :html) == "\u226A\u20D2\u00A0&"
    many = String.duplicate("&nbsp;&eacute;", 20_000)
    assert BoundedXml.unescape(many, entities: :html) == String.duplicate("\u00A0é", 20_000)

    for {entities, shown} <- [
          {%{a: "1"}, "a: "},
          {%{"a" => 1}, "1"},
          {[], "[]"},
          {fn _, _ -> nil end, "Function"}
        ] do
      error = assert_raise ArgumentError, fn -> BoundedXml.unescape("x", entities: entities) end
      assert error.message =~ ":entities must be" and error.message =~ shown
    end

    assert_raise ArgumentError, ~r/must return a string or nil, got: 1 for "a"/, fn ->
      BoundedXml.unescape("&a;", entities: fn "a" -> 1 end)
    end

    assert_raise ArgumentError, ~r/the only option/, fn -> BoundedXml.unescape("x", other: 1) end
  end

  test "errors have their place" do
    for {text, place} <- [
          {"é\nab&", {2, 3, 5}},
          {"a & b;", {1, 3, 2}},
          {"&me;", {1, 1, 0}},
          {"&lt;&#1;", {1, 5, 4}},
          {String.duplicate("x\n", 50_000) <> "&#0;", {50_001, 1, 100_000}},
          {String.duplicate("&amp;", 50_000) <> "&me;", {1, 250_001, 250_000}},
          {"&" <> String.duplicate("x", 100_000), {1, 1, 0}},
          {"é" <> <<0xFF>>, {1, 2, 2}},
          {"a\u0001", {1, 2, 1}}
        ] do
      error = assert_raise BoundedXml.ParseError, fn -> BoundedXml.unescape(text) end
      assert {error.line, error.column, error.byte_offset} == place
      assert error.kind == :malformed
    end

    for {text, kind, at} <- [{"ab\uFFFE", :character, 2}, {"a\xFF", :encoding, 1}] do
      text = String.duplicate("x", 100_000) <> text
      error = assert_raise BoundedXml.EncodeError, fn -> BoundedXml.escape(text) end
      assert error.kind == kind
      assert Exception.message(error) =~ "byte #{100_000 + at} of the text"
    end
  end

  test "a quota without room refuses, and what was taken comes back" do
    text = String.duplicate("<", 1_000_000)

    account =
      Accounts.in_account(3_000_000, fn _account ->
        assert_raise Quota.ExceededError, fn -> BoundedXml.escape(text) end
        assert BoundedXml.escape("<") == "&lt;"
      end)

    Accounts.assert_refunded(account)
  end

  # Not compared by ExUnit, which would print both.
  defp same?(one, other), do: :erts_debug.same(one, other)
end
