defmodule BoundedXml.ProgressTest do
  use ExUnit.Case, async: true

  # No document is read for ever: whatever in it is long, reading ends with events or an error.

  alias BoundedXml.{ParseError, Parser, Progress}

  @wide [max_name_bytes: 1_073_741_824, max_token_bytes: 1_073_741_824]

  @declaration "<?xml version='1.0' standalone='"

  defp read(source, opts) do
    {:ok, source |> BoundedXml.stream(opts) |> Enum.to_list()}
  rescue
    error in ParseError -> {:error, error}
  end

  defp feed(pieces, opts) do
    {:ok, parser} = Parser.new(opts)

    fed =
      Enum.reduce_while(pieces, [], fn piece, batches ->
        case Parser.feed(parser, piece) do
          {:ok, events} -> {:cont, [batches | events]}
          {:error, error, _events} -> {:halt, {:error, error}}
        end
      end)

    with batches when is_list(batches) <- fed,
         {:ok, events} <- Parser.finish(parser) do
      {:ok, List.flatten([batches | events])}
    else
      {:error, error, _events} -> {:error, error}
      {:error, error} -> {:error, error}
    end
  end

  for limits <- [:strict, :default, :trusted], length <- [131_040, 131_073, 1_000_000] do
    test "an XML declaration with a value of #{length} bytes is refused with limits: #{limits}" do
      opts = [limits: unquote(limits)]
      document = @declaration <> String.duplicate("a", unquote(length)) <> "'?><r/>"
      kind = if unquote(length) > 262_144, do: :limit, else: :malformed
      assert {:error, %ParseError{kind: ^kind} = error} = read(document, opts)
      assert {:error, error} == feed([document], opts)
      assert {:error, error} == feed(Bounded.Test.Xml.cut(document, 1_000), opts)
      selected = fn -> document |> BoundedXml.select("r", opts) |> Enum.to_list() end
      assert_raise ParseError, Exception.message(error), selected
    end
  end

  test "a declaration that nothing ends is refused, or cut short" do
    assert {:error, %ParseError{}} = read(@declaration <> String.duplicate("a", 200_000), [])

    assert {:error, %ParseError{kind: :limit}} =
             read("<?xml" <> String.duplicate(" ", 300_000), [])
  end

  test "the limit of a declaration is no option's, and its error names none to raise" do
    document =
      "<?xml version='1.0' encoding='utf-8'" <> String.duplicate(" ", 300_000) <> "?><r/>"

    assert {:error, error} = read(document, [])
    assert %ParseError{kind: :limit, limit: nil, byte_offset: 262_144} = error
    refute Exception.message(error) =~ "pass a larger"
  end

  test "a valid declaration with much white space is read" do
    document =
      "<?xml version='1.0' encoding='utf-8'" <> String.duplicate(" ", 140_000) <> "?><r/>"

    assert {:ok, [{:start_document, prolog} | _] = events} = read(document, [])
    assert prolog == [version: "1.0", encoding: "utf-8"]
    assert {:ok, events} == feed([document], [])
    assert {:ok, events} == feed(Bounded.Test.Xml.cut(document, 7), [])
    assert [{"r", [], []}] == document |> BoundedXml.select("r") |> Enum.to_list()
  end

  for length <- [131_071, 131_072, 131_073, 262_144] do
    test "names of #{length} bytes are read with limits raised" do
      name = String.duplicate("n", unquote(length))

      for {document, expected} <- [
            {"<#{name}/>", [{:start_element, {name, []}}, {:end_element, name}]},
            {"<#{name}></#{name} >", [{:start_element, {name, []}}, {:end_element, name}]},
            {"<r #{name}='v'/>", [{:start_element, {"r", [{name, "v"}]}}, {:end_element, "r"}]},
            {"<r>&##{String.duplicate("0", unquote(length) - 10)}65;</r>",
             [{:start_element, {"r", []}}, {:characters, "A"}, {:end_element, "r"}]}
          ] do
        events = [{:start_document, []} | expected] ++ [{:end_document, {}}]
        assert {:ok, events} == read(document, @wide)
        assert {:ok, events} == feed(Bounded.Test.Xml.cut(document, 1_000), @wide)
      end

      assert {:error, %ParseError{kind: :malformed}} = read("<r>&#{name};</r>", @wide)
      assert {:error, %ParseError{kind: :malformed}} = read("<r></#{name}>", @wide)
    end
  end

  test "a name longer than 256 KiB is over a limit that cannot be raised" do
    document = "<" <> String.duplicate("n", 262_145) <> "/>"
    assert {:error, %ParseError{limit: :max_name_bytes} = error} = read(document, @wide)
    assert error.value == 262_144
    refute Exception.message(error) =~ "pass a larger"
    assert Exception.message(elem(read(document, []), 1)) =~ "pass a larger max_name_bytes"
  end

  test "a parser that many calls leave where it was is given up with an internal error" do
    {:ok, %{ref: parser}} = Parser.new()

    outcome =
      Enum.reduce_while(1..100_000, Progress.new(), fn _call, progress ->
        case Progress.note(progress, parser) do
          {:ok, progress} -> {:cont, progress}
          {:error, error} -> {:halt, error}
        end
      end)

    assert %ParseError{kind: :internal, line: 1, column: 1} = outcome
    assert Exception.message(outcome) =~ "report it"
  end

  test "a parser that gets on is not given up" do
    {:ok, %{ref: ref} = parser} = Parser.new()
    {:ok, _events} = Parser.feed(parser, "<r>")

    Enum.reduce(1..50_000, Progress.new(), fn call, progress ->
      if rem(call, 1_000) == 0, do: {:ok, _events} = Parser.feed(parser, "<a")
      if rem(call, 1_000) == 500, do: {:ok, _events} = Parser.feed(parser, " x='y'/>")
      assert {:ok, progress} = Progress.note(progress, ref)
      progress
    end)
  end
end
