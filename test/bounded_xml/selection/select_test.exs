defmodule BoundedXml.SelectTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.{Accounts, Xml}
  alias BoundedXml.ParseError

  defp select(source, path, opts \\ []),
    do: source |> BoundedXml.select(path, opts) |> Enum.to_list()

  # The trees of all elements at `path`, made from events.
  defp reference(document, depth, name) do
    document
    |> BoundedXml.stream()
    |> Enum.reduce({[], [], 0}, fn
      {:start_element, {element, attributes}}, {found, stack, level} ->
        open? = stack != [] or (element == name and (depth == :any or level == depth))
        {found, if(open?, do: [{element, attributes, []} | stack], else: stack), level + 1}

      {:characters, text}, {found, [{name, attributes, children} | stack], level} ->
        {found, [{name, attributes, join(text, children)} | stack], level}

      {:end_element, _}, {found, [{name, attributes, children}], level} ->
        {[{name, attributes, Enum.reverse(children)} | found], [], level - 1}

      {:end_element, _}, {found, [{name, attributes, children}, parent | stack], level} ->
        {parent_name, parent_attributes, siblings} = parent
        child = {name, attributes, Enum.reverse(children)}
        {found, [{parent_name, parent_attributes, [child | siblings]} | stack], level - 1}

      {:end_element, _}, {found, [], level} ->
        {found, [], level - 1}

      _event, acc ->
        acc
    end)
    |> then(fn {found, [], 0} -> Enum.reverse(found) end)
  end

  defp join(text, [before | rest]) when is_binary(before), do: [before <> text | rest]
  defp join(text, children), do: [text | children]

  @tag :native_speed
  test "the same trees as from events, at any cut" do
    document =
      "<rss><channel>" <>
        Enum.map_join(1..300, "\n", fn n ->
          "<item id='#{n}' k='v&amp;w'><t>title #{n}</t>#{String.duplicate("x", rem(n * n, 700))}<i><item/></i></item>"
        end) <> "</channel><item>elsewhere</item></rss>"

    items = reference(document, 2, "item")
    assert length(items) == 300

    for size <- [1, 7, 1_000, 65_536] do
      assert select(document, "rss/channel/item", chunk_bytes: size) == items
      assert select(document, "//t", chunk_bytes: size) == reference(document, :any, "t")
    end

    assert select(document, "*/*/item") == items
    assert select(document, "rss//item") == reference(document, :any, "item")
    assert select(document, "//item") == reference(document, :any, "item")
    assert select(document, "rss/none") == []
    assert [{"rss", [], [_, _]}] = select(document, "rss")
    assert [{"rss", [], [_, _]}] = select(document, "*")
  end

  test "text in pieces, CDATA and comments are one child" do
    text = String.duplicate("long text ", 30_000)
    document = ["<r><i>a<![CDATA[b]]><!-- no -->c</i><i>", text, "</i></r>"]
    assert select(document, "r/i") == [{"i", [], ["abc"]}, {"i", [], [text]}]
  end

  test "skip_whitespace" do
    document = "<r> <i> <a/> x </i></r>"
    assert select(document, "r/i", skip_whitespace: true) == [{"i", [], [{"a", [], []}, " x "]}]
    assert select(document, "r/i") == [{"i", [], [" ", {"a", [], []}, " x "]}]
  end

  test "large records are built across calls, none of them long" do
    children = Enum.map_join(1..60_000, &"<c a='#{&1}'>#{&1}</c>")
    value = String.duplicate("v", 1_000_000)
    text = String.duplicate("t", 2_000_000)
    document = "<r><i big='#{value}'>#{children}#{text}</i><i/></r>"

    assert [{"i", [{"big", ^value}], parts}, {"i", [], []}] = select(document, "r/i")
    assert List.last(parts) == text
    assert length(parts) == 60_001
    assert Enum.at(parts, 41_999) == {"c", [{"a", "42000"}], ["42000"]}

    nested = String.duplicate("<n>", 200) <> String.duplicate("</n>", 200)
    document = "<r>#{String.duplicate(nested, 50)}</r>"
    assert [{"r", [], trees}] = select(document, "r")
    assert length(trees) == 50
    assert select(document, "r/n") == trees
  end

  test "a record over its limit, after those before it" do
    document = ["<r><i>small</i><i>", String.duplicate("x", 2_000), "</i></r>"]

    for size <- [1, 100, 65_536] do
      {records, error} =
        document
        |> BoundedXml.select("r/i", max_record_bytes: 1_000, chunk_bytes: size)
        |> Xml.collect()

      assert records == [{"i", [], ["small"]}]
      assert %ParseError{kind: :limit, limit: :max_record_bytes, value: 1_000} = error
      assert error.seen > 1_000
      assert Exception.message(error) =~ "max_record_bytes"
    end
  end

  test "malformed documents are errors outside of what is selected, too" do
    assert {[{"i", [], []}], %ParseError{}} =
             "<r><i/><x></y></r>" |> BoundedXml.select("r/i") |> Xml.collect()

    assert {[], %ParseError{}} = "<r><i>" |> BoundedXml.select("r/i") |> Xml.collect()
  end

  test "what is recorded is charged, and given back" do
    Accounts.in_account(20_000_000, fn account ->
      document = [
        "<r><i>",
        String.duplicate("x", 3_000_000),
        "</i>",
        List.duplicate("<j/>", 50_000)
      ]

      step = fn record, _acc -> {:suspend, record} end
      stream = BoundedXml.select(document, "r/i")

      assert {:suspended, {"i", [], [text]}, continue} =
               Enumerable.reduce(stream, {:cont, nil}, step)

      assert byte_size(text) == 3_000_000
      assert Accounts.reserved(account) > 3_000_000
      continue.({:halt, nil})
      assert Accounts.reserved(account) < 3_100_000
    end)
  end

  test "a record the quota has no room for raises, and the rest of the node lives" do
    Accounts.in_account(1_000_000, fn account ->
      document = ["<r><i>", String.duplicate("x", 3_000_000), "</i></r>"]
      assert_raise Quota.ExceededError, fn -> select(document, "r/i") end
      assert {_heap, _binaries, 0, _total, _peak} = Bounded.Native.account_usage(account)
      assert select("<r><i/></r>", "r/i") == [{"i", [], []}]
    end)
  end

  test "memory refused in the middle of a record loses nothing and repeats nothing" do
    big = ["<r><i>", String.duplicate("x", 300_000), "</i></r>"]
    nested = String.duplicate("<n k='v'>t", 200) <> String.duplicate("</n>", 200)
    long = String.duplicate("long text ", 40_000)
    document = "<r><i>#{String.duplicate(nested, 5)}#{long}</i><i>#{nested}</i></r>"
    records = select(document, "r/i")
    assert [{"i", [], [_, _, _, _, _, ^long]}, {"i", [], [_]}] = records
    test = self()

    for limit <- 780_000..1_200_000//20_000 do
      Accounts.in_account(limit, fn _account ->
        # Its text is garbage then, which is collected when memory is refused.
        send(test, {:big, length(select(big, "r/i"))})
        send(test, {:outcome, outcome(document)})
      end)
    end

    outcomes =
      for _ <- 780_000..1_200_000//20_000 do
        assert_received {:big, 1}
        assert_received {:outcome, outcome}
        outcome
      end

    assert Enum.sort(Enum.uniq(outcomes)) == [:refused, records]
  end

  defp outcome(document) do
    select(document, "r/i", chunk_bytes: 1_000)
  rescue
    Quota.ExceededError -> :refused
  end

  test "namespaces, at any cut" do
    item = "<b:i xmlns:b='urn:b' b:k='v'><x xmlns='urn:x'/><y b:z='1'>t</y></b:i>"
    document = "<r xmlns='urn:r'>#{String.duplicate(item, 100)}</r>"

    xmlns = "http://www.w3.org/2000/xmlns/"

    record =
      {{"urn:b", "i"}, [{{xmlns, "b"}, "urn:b"}, {{"urn:b", "k"}, "v"}],
       [
         {{"urn:x", "x"}, [{{xmlns, "xmlns"}, "urn:x"}], []},
         {{"urn:r", "y"}, [{{"urn:b", "z"}, "1"}], ["t"]}
       ]}

    for size <- [1, 30, 1_000, 65_536] do
      options = [namespaces: true, chunk_bytes: size]
      assert select(document, ["r", {"urn:b", "i"}], options) == List.duplicate(record, 100)
    end
  end

  test "paths are read at once" do
    assert_raise ArgumentError, ~r/cannot read the path/, fn ->
      BoundedXml.select("<a/>", "a[1]")
    end

    assert_raise ArgumentError, ~r/namespaces: true/, fn -> BoundedXml.select("<a/>", ["a"]) end
  end

  test "a string path takes prefixes" do
    document = """
    <rss xmlns:d='urn:dc' xmlns='urn:rss'>
      <item><d:title>one</d:title><title>not this</title></item>
      <item><x:title xmlns:x='urn:dc'>two</x:title></item>
    </rss>
    """

    opts = [prefixes: %{"dc" => "urn:dc", "r" => "urn:rss"}]

    for path <- ["rss/item/dc:title", "r:rss/r:item/dc:title", "//dc:title", "r:rss/*/dc:*"] do
      found = document |> BoundedXml.select(path, opts) |> Enum.to_list()
      assert [{{"urn:dc", "title"}, [], ["one"]}, {{"urn:dc", "title"}, _, ["two"]}] = found
    end

    assert document |> BoundedXml.select("dc:rss", opts) |> Enum.to_list() == []
    assert_raise ArgumentError, ~r/prefixes/, fn -> BoundedXml.select(document, "x:y", opts) end
  end
end
