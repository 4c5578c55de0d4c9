defmodule BoundedXml.Encode.LeavesTest do
  use ExUnit.Case, async: true

  alias BoundedXml.EncodeError

  describe "trees" do
    test "with leaves of any length and text are written as each leaf by itself" do
      texts = ["", "x", "é", "<&>", "\r", "\n\t"] ++ for n <- 14..34, do: String.duplicate("x", n)

      for name <- ["a", String.duplicate("n", 16), String.duplicate("n", 17)], text <- texts do
        # The name is known from the second one on. Enough of them come to the end of a piece.
        leaf = {name, [], [text]}
        xml = BoundedXml.encode(leaf)
        children = List.duplicate(leaf, 3_000)
        assert BoundedXml.encode({"r", [], children}) == "<r>#{String.duplicate(xml, 3_000)}</r>"
        mixed = {"r", [], [leaf, "y", leaf, {name, [], ["y", text]}, {"b", [], [leaf]}]}
        assert BoundedXml.encode(mixed) == BoundedXml.encode(mixed, quote: :single)
        assert BoundedXml.encode(mixed) =~ "<r>#{xml}y#{xml}<"

        assert BoundedXml.encode({"r", [], [leaf, leaf]}, indent: 1) ==
                 "<r>\n #{xml}\n #{xml}\n</r>"
      end
    end

    test "with a wrong leaf behind leaves of the same name say which it is" do
      for {wrong, kind, path} <- [
            {"\x01", :character, "/r/a[4]"},
            {<<0xC3>>, :encoding, "/r/a[4]"},
            {7, :shape, "/r/a[4]/*[1]"}
          ] do
        leaves = [{"a", [], ["x"]}, "y", {"a", [], ["x"]}, {"a", [], [wrong]}]
        error = assert_raise EncodeError, fn -> BoundedXml.encode({"r", [], leaves}) end
        assert error.kind == kind
        assert error.path == path
      end
    end

    test "with the same text again and again are written as with another of the same bytes" do
      for text <- [
            "\n ",
            "x",
            "<",
            "\r",
            "é",
            "",
            String.duplicate("x", 15),
            String.duplicate("x", 16)
          ] do
        one = fn -> text end
        # Another term each time.
        other = fn -> :binary.copy(text) end

        for options <- [[], [indent: 1], [empty: :expand], [prefixes: %{"x" => "urn:x"}]] do
          assert BoundedXml.encode(content(one), options) ==
                   BoundedXml.encode(content(other), options)
        end
      end
    end

    test "with a text that is known say where it must not stand" do
      text = "x"
      root = {"r", [], [text, {"a", [], []}, text]}

      for content <- [[root, text], [text, root]] do
        error = assert_raise EncodeError, fn -> BoundedXml.encode(content) end
        assert {error.kind, error.path} == {:root, "/"}
      end

      open = [{:start_element, {"r", []}}, {"a", [], [text]}]
      close = [{:end_element, "r"}]
      assert BoundedXml.encode(open ++ [text] ++ close) == "<r><a>x</a>x</r>"

      error =
        assert_raise EncodeError, fn -> BoundedXml.encode(open ++ [text] ++ close, indent: 1) end

      assert error.kind == :indent
    end

    defp content(text) do
      many = Enum.flat_map(1..2_000, fn _ -> [text.(), {"a", [], [text.(), {"b", [], []}]}] end)

      named =
        {{"urn:y", "c"}, [{{"urn:z", "k"}, "1"}], [text.(), {{"urn:x", "d"}, [], [text.()]}]}

      {"r", [], [text.(), text.(), named, text.() | many]}
    end
  end
end
