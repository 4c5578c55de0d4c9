defmodule BoundedXml.StanzasTest do
  use ExUnit.Case, async: true

  # `BoundedXml.Parser` with `select:`, as a server of XMPP uses it.

  alias Bounded.Test.{Accounts, Xml}
  alias BoundedXml.{ParseError, Parser, ParserError}

  @header "<?xml version='1.0'?><stream:stream xmlns='jabber:client' " <>
            "xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>"
  @auth "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldA==</auth>"
  @bind "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
  @message "<message to='romeo@example.net'><body>Art thou not Romeo, &amp; a Montague?</body></message>"
  @path [{"http://etherx.jabber.org/streams", "stream"}, "*"]

  defp new(opts \\ []) do
    {:ok, parser} = Parser.new([select: @path, namespaces: true] ++ opts)
    parser
  end

  defp feed(parser, pieces) do
    Enum.reduce(pieces, {[], parser}, fn piece, {records, parser} ->
      {:ok, more, parser} = Parser.feed(parser, piece)
      {records ++ more, parser}
    end)
  end

  defp local({{_uri, name}, _attributes, _children}), do: name

  test "a session: authentication, a restart, stanzas, the end of the stream" do
    for size <- [1, 7, 10_000] do
      {records, parser} = new() |> feed(Xml.cut(@header <> "\n" <> @auth, size))
      assert [{{"urn:ietf:params:xml:ns:xmpp-sasl", "auth"}, _, ["AGp1bGlldA=="]}] = records

      {:ok, parser} = Parser.restart(parser)
      stanzas = @header <> @bind <> " \n" <> @message <> " "
      {records, parser} = feed(parser, Xml.cut(stanzas, size))
      assert Enum.map(records, &local/1) == ["iq", "message"]

      assert [_, {_, _, [{{"jabber:client", "body"}, [], ["Art thou not Romeo, & a Montague?"]}]}] =
               records

      assert {:ok, [], parser} = Parser.feed(parser, "</stream:stream>")
      assert Parser.finish(parser) == {:ok, []}
      assert {:error, %ParserError{reason: :closed}, []} = Parser.feed(parser, "<")
    end
  end

  test "records are those of select/3, whatever is fed at once" do
    stanzas = for n <- 1..2_000, do: "<m id='#{n}'><b>#{n}</b>text<c/></m>"
    document = IO.iodata_to_binary(["<s>", stanzas, "</s>"])
    expected = document |> BoundedXml.select("s/m") |> Enum.to_list()

    for size <- [997, 1_000_000] do
      {:ok, parser} = Parser.new(select: "s/m")
      {records, parser} = feed(parser, Xml.cut(document, size))
      assert records == expected
      assert Parser.finish(parser) == {:ok, []}
    end
  end

  test "several paths, and several roots" do
    {:ok, parser} = Parser.new(select: [a: "*/a", b: "*/b"], roots: :many)
    assert {:ok, records, parser} = Parser.feed(parser, "<r><a/></r><r><b>1</b><c/>")
    assert records == [a: {"a", [], []}, b: {"b", [], ["1"]}]
    assert {:ok, [], parser} = Parser.feed(parser, "</r><b/>")
    assert Parser.finish(parser) == {:ok, []}
  end

  test "each limit of a record is told by its name, after the records before" do
    for {limit, value, stanza} <- [
          {:max_record_bytes, 100, "<m>#{String.duplicate("x", 100)}</m>"},
          {:max_record_elements, 3, "<m><a/><a/><a/></m>"},
          {:max_record_depth, 3, "<m><a><a><a/></a></a></m>"},
          {:max_token_bytes, 5_000, "<m a='#{String.duplicate("x", 6_000)}'"},
          {:max_attribute_bytes, 50, "<m a='#{String.duplicate("x", 51)}'/>"}
        ],
        size <- [1, 10_000] do
      {:ok, parser} = Parser.new([{limit, value}, select: "s/m", max_record_bytes: 100])
      {records, parser} = feed(parser, ["<s><m><a><a/></a></m>"])
      assert [_] = records

      result =
        Enum.reduce_while(Xml.cut(stanza, size), parser, fn piece, parser ->
          case Parser.feed(parser, piece) do
            {:ok, [], parser} -> {:cont, parser}
            {:error, error, []} -> {:halt, error}
          end
        end)

      assert %ParseError{kind: :limit, limit: ^limit, value: ^value, seen: seen} = result
      assert seen > value
      assert Exception.message(result) =~ "#{limit}"
      # An error stays, and a restart forgets it.
      assert {:error, ^result, []} = Parser.feed(parser, "<")
      {:ok, parser} = Parser.restart(parser)
      assert {:ok, [{"m", [], []}], _} = Parser.feed(parser, "<s><m/>")
    end
  end

  test "what is within the limits of a record passes, and each record has its own" do
    stanza = "<m><a><a/></a></m>"

    {:ok, parser} =
      Parser.new(select: "s/m", max_record_elements: 3, max_record_depth: 3, max_record_bytes: 51)

    assert {:ok, records, _} = Parser.feed(parser, ["<s>", List.duplicate(stanza, 100)])
    assert length(records) == 100

    limits = [max_record_elements: 3, max_record_depth: 3]
    assert ["<s>", stanza, "</s>"] |> BoundedXml.select("s/m", limits) |> Enum.count() == 1

    assert {:error, %{limit: :max_record_depth}} =
             BoundedXml.parse("<a><a/></a>", max_record_depth: 1)

    assert_raise ArgumentError, ~r/max_record_depth/, fn -> Parser.new(max_record_depth: 3) end
    assert_raise ArgumentError, ~r/:emit/, fn -> Parser.new(select: "a", emit: [:cdata]) end
    assert_raise ArgumentError, ~r/path/, fn -> Parser.new(select: "") end
    assert_raise ArgumentError, ~r/:fields/, fn -> Parser.new(fields: [a: "a"]) end
  end

  test "a parser from before a call is refused, and does no harm" do
    old = new()
    {:ok, [], parser} = Parser.feed(old, @header <> "<iq><a>")
    assert {:error, %ParserError{reason: :stale} = error, []} = Parser.feed(old, "</a></iq>")
    assert Exception.message(error) =~ "the last one returned"
    assert {:error, %ParserError{reason: :stale}, []} = Parser.finish(old)
    assert {:ok, [iq], _} = Parser.feed(parser, "</a></iq>")
    assert local(iq) == "iq"
  end

  test "a quota counts what a parser keeps, and gets it back" do
    account =
      Accounts.in_account(1_000_000, fn account ->
        {:ok, parser} = Parser.new(select: "s/m")
        {:ok, [], parser} = Parser.feed(parser, ["<s><m a='", String.duplicate("x", 100_000)])
        assert Accounts.reserved(account) > 100_000
        {:ok, parser} = Parser.restart(parser)
        assert Accounts.eventually(fn -> Accounts.reserved(account) < 50_000 end)
        assert {:ok, [{"m", [], []}], _} = Parser.feed(parser, "<s><m/>")
      end)

    Accounts.assert_refunded(account)
  end
end
