defmodule BoundedXml.ParserTest do
  use ExUnit.Case, async: true
  doctest BoundedXml.Parser

  alias Bounded.Test.Accounts
  alias BoundedXml.{ParseError, Parser, ParserError}

  defp new(opts \\ []) do
    {:ok, parser} = Parser.new(opts)
    parser
  end

  test "gives the events of BoundedXml.stream/2, however it is fed" do
    document = "<a><b c='d'>one &amp; two</b><!-- three --></a>"
    expected = document |> BoundedXml.stream() |> Enum.to_list()

    for size <- [1, 3, 100] do
      parser = new()

      fed =
        for piece <- Bounded.Test.Xml.cut(document, size),
            {:ok, events} = Parser.feed(parser, piece),
            event <- events,
            do: event

      assert {:ok, rest} = Parser.finish(parser)
      assert fed ++ rest == expected
    end

    parser = new()
    assert {:ok, events} = Parser.feed(parser, [?<, ["a", "/"] | ">"])
    assert {:ok, rest} = Parser.finish(parser)
    assert events ++ rest == Enum.to_list(BoundedXml.stream("<a/>"))
  end

  test "takes iodata of any size at once" do
    items = List.duplicate("<i/>", 50_000)
    parser = new()
    assert {:ok, events} = Parser.feed(parser, ["<r>", items, "</r>"])
    assert length(events) == 100_003
  end

  test "an error comes with the events before it, and again ever after" do
    parser = new()
    assert {:error, %ParseError{column: 7} = error, events} = Parser.feed(parser, "<a><b></a>")
    assert [{:start_document, []}, {:start_element, {"a", []}}, {:start_element, _}] = events
    assert {:error, ^error, []} = Parser.feed(parser, "more")
    assert {:error, ^error, []} = Parser.finish(parser)
    assert {:error, ^error} = Parser.position(parser)
  end

  test "a document cut short is an error of finish/1" do
    parser = new()
    assert {:ok, [_, _, _, _]} = Parser.feed(parser, "<a><b/>")
    assert {:error, %ParseError{kind: :truncated, byte_offset: 7}, events} = Parser.finish(parser)
    assert events == []
  end

  test "finished is finished" do
    parser = new()
    assert {:ok, _} = Parser.feed(parser, "<a/>")
    assert {:ok, [{:end_document, {}}]} = Parser.finish(parser)
    closed = %ParserError{reason: :closed}
    assert {:error, ^closed, []} = Parser.feed(parser, "<a/>")
    assert {:error, ^closed, []} = Parser.finish(parser)
    assert {:error, ^closed} = Parser.position(parser)
    assert Exception.message(closed) =~ "Parser.new/1"
  end

  test "many roots, as streams of stanzas have them" do
    parser = new(roots: :many)
    assert {:ok, [{:start_document, []} | first]} = Parser.feed(parser, "<a/>\n<b>x</b>")
    assert {:start_element, {"b", []}} in first
    assert {:ok, between} = Parser.feed(parser, "<c/>")

    assert between == [
             {:end_document, {}},
             {:start_document, []},
             {:start_element, {"c", []}},
             {:end_element, "c"}
           ]

    assert {:ok, [{:end_document, {}}]} = Parser.finish(parser)
  end

  test "knows how far it has read" do
    parser = new()
    assert {:ok, %{line: 1, column: 1, byte_offset: 0}} = Parser.position(parser)
    assert {:ok, _} = Parser.feed(parser, "<a>\nä<b/>")
    assert {:ok, %{line: 2, column: 6, byte_offset: 10}} = Parser.position(parser)
  end

  test "wrong options and wrong input raise" do
    assert_raise ArgumentError, ~r/max_depth/, fn -> Parser.new(max_depth: 0) end
    assert_raise ArgumentError, ~r/expected iodata/, fn -> Parser.feed(new(), ["<a>", :b]) end
    assert inspect(new()) == "#BoundedXml.Parser<>"
  end

  test "two processes feeding one parser get events or an error, never a crash" do
    parser = new()
    assert {:ok, _} = Parser.feed(parser, "<r>")
    items = List.duplicate("<i a='1'>text</i>", 5_000)

    results =
      1..4
      |> Enum.map(fn _ -> Task.async(fn -> for _ <- 1..5, do: Parser.feed(parser, items) end) end)
      |> Enum.flat_map(&Task.await(&1, 60_000))

    for result <- results do
      case result do
        {:ok, events} -> assert is_list(events)
        {:error, %ParserError{reason: :busy}, events} -> assert is_list(events)
        {:error, %ParseError{kind: :malformed}, events} -> assert is_list(events)
      end
    end

    assert Exception.message(%ParserError{reason: :busy}) =~ "another process"
  end

  test "is charged to the process that made it until it is closed or garbage" do
    held = "<r a='" <> String.duplicate("x", 100_000)

    account =
      Accounts.in_account(10_000_000, fn account ->
        parser = new()
        other = Task.async(fn -> Parser.feed(parser, held) end)
        assert {:ok, _} = Task.await(other)
        assert Accounts.reserved(account) > 100_000
        assert {:error, %ParseError{}, []} = Parser.finish(parser)
        assert Accounts.reserved(account) == 0

        {:ok, _} = Parser.feed(new(), held)
        assert Accounts.reserved(account) > 100_000
      end)

    Accounts.assert_refunded(account)
  end

  test "a call that raises halfway closes the parser: nobody goes on with a gap" do
    elements = IO.iodata_to_binary(for n <- 1..20_000, do: "<i n='#{n}'/>")
    long = List.duplicate(String.duplicate("y", 60_000), 300)

    account =
      Accounts.in_account(12_000_000, fn _ ->
        {:ok, parser} = Parser.new(limits: :trusted)
        {:ok, _} = Parser.feed(parser, "<r>")

        assert_raise Quota.ExceededError, fn ->
          Parser.feed(parser, [elements, "<b x='", long])
        end

        for call <- [&Parser.feed(&1, "'/></r>"), &Parser.feed(&1, ""), &Parser.finish/1] do
          assert {:error, %ParserError{reason: :interrupted} = error, []} = call.(parser)
          assert Exception.message(error) =~ "start again"
        end

        assert {:error, %ParserError{reason: :interrupted}} = Parser.position(parser)
      end)

    Accounts.assert_refunded(account)
  end

  test "so does what is no iodata behind what is; before it, nothing is lost" do
    {:ok, parser} = Parser.new()
    assert_raise ArgumentError, fn -> Parser.feed(parser, [:no_iodata]) end
    assert {:ok, [_, _]} = Parser.feed(parser, "<r>")
    large = String.duplicate("<a/>", 20_000)
    assert_raise ArgumentError, fn -> Parser.feed(parser, [large, :no_iodata]) end
    assert {:error, %ParserError{reason: :interrupted}, []} = Parser.feed(parser, "</r>")
  end

  test "a quota without room raises, and the same bytes can be fed when there is" do
    Accounts.in_account(815_000, fn account ->
      parser = new()
      assert {:ok, _} = Parser.feed(parser, "<r a='")
      # Elsewhere in the process, most of the quota goes.
      taken = BoundedBinary.copy(:binary.copy("y", 790_000))
      value = String.duplicate("x", 30_000)
      error = assert_raise Quota.ExceededError, fn -> Parser.feed(parser, value) end
      assert error.category == :native
      assert byte_size(taken) == 790_000
      :erlang.garbage_collect()
      assert Accounts.eventually(fn -> Accounts.reserved(account) < 100_000 end)
      assert {:ok, []} = Parser.feed(parser, value)
      assert {:ok, [{:start_element, {"r", [{"a", ^value}]}}, _]} = Parser.feed(parser, "'/>")
    end)
  end

  test "no selection is none" do
    assert {:ok, parser} = Parser.new(select: nil)
    assert {:ok, [_, _, _]} = Parser.feed(parser, "<r/>")
    assert_raise ArgumentError, ~r/keyword list/, fn -> Parser.new(:select) end
  end
end
