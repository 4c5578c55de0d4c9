defmodule BoundedXml.RecoveryTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.{TrackedSource, Xml}
  alias BoundedXml.{ParseError, Parser}

  @document "\n<?xml version='1.0'?><r a='&eacute;&x;&#8;'>Fish & chips&nbsp;\u0001<i>&#xD83D;&#xDE00;</i>&x;</r>"

  @events [
    {:start_document, [version: "1.0"]},
    {:start_element, {"r", [{"a", "é&x;\uFFFD"}]}},
    {:characters, "Fish & chips\u00A0\uFFFD"},
    {:start_element, {"i", []}},
    {:characters, "😀"},
    {:end_element, "i"},
    {:skipped_entity, "x"},
    {:end_element, "r"},
    {:end_document, {}}
  ]

  @reported [
    {:leading_whitespace, "\n", {1, 1}},
    {:entities, "&eacute;", {2, 28}},
    {:entities, "&x;", {2, 36}},
    {:characters, "&#8;", {2, 39}},
    {:ampersands, "&", {2, 50}},
    {:entities, "&nbsp;", {2, 57}},
    {:characters, "\u0001", {2, 63}},
    {:characters, "&#xD83D;&#xDE00;", {2, 67}},
    {:entities, "&x;", {2, 87}}
  ]

  defp report, do: [recover: :all, on_recover: &send(self(), {:report, &1})]

  defp reported do
    receive do
      {:report, recovered} -> [recovered | reported()]
    after
      0 -> []
    end
  end

  defp parser_events(chunks, opts) do
    {:ok, parser} = Parser.new(opts)

    events =
      Enum.flat_map(chunks, fn chunk ->
        {:ok, events} = Parser.feed(parser, chunk)
        events
      end)

    {:ok, last} = Parser.finish(parser)
    events ++ last
  end

  test "stream, select and Parser recover and report the same, however the document is cut" do
    for chunks <- [[@document] | for(size <- [1, 2, 3, 7, 20], do: Xml.cut(@document, size))] do
      assert {@events, nil} = Xml.events(chunks, report())
      assert reported() == @reported
      assert parser_events(chunks, report()) == @events
      assert reported() == @reported

      assert [{"i", [], ["😀"]}] = chunks |> BoundedXml.select("r/i", report()) |> Enum.to_list()
      assert reported() == @reported

      assert [{"r", [{"a", "é&x;\uFFFD"}], children}] =
               chunks |> BoundedXml.select("r", report()) |> Enum.to_list()

      assert [_text, {"i", [], ["😀"]}, {:skipped_entity, "x"}] = children
      assert reported() == @reported
    end
  end

  test "with positions, with namespaces and halted early" do
    assert {events, nil} = Xml.events(@document, [positions: true] ++ report())
    assert Enum.map(events, &elem(&1, 0)) == @events
    assert reported() == @reported
    assert {_events, nil} = Xml.events(@document, [namespaces: true] ++ report())
    assert reported() == @reported
    assert @document |> BoundedXml.stream(report()) |> Enum.take(2) == Enum.take(@events, 2)
  end

  test "without a function it recovers silently, without the option it does not" do
    assert Xml.events(@document, recover: :all) == {@events, nil}
    all = [:entities, :characters, :ampersands, :leading_whitespace]
    assert Xml.events(@document, recover: all) == {@events, nil}

    for kind <- all do
      {_events, error} = Xml.events(@document, recover: all -- [kind])
      assert %ParseError{kind: :malformed, reason: reason} = error
      assert reason =~ "(recover: [#{inspect(kind)}]"
    end

    assert {_events, %ParseError{}} = Xml.events(@document)
  end

  test "an error comes after everything before it was reported" do
    assert {events, %ParseError{kind: :malformed, byte_offset: 5}} =
             Xml.events("<r>&\u0001</s>", report())

    assert List.last(events) == {:characters, "&\uFFFD"}
    assert reported() == [{:ampersands, "&", {1, 4}}, {:characters, "\u0001", {1, 5}}]
  end

  test "what the function raises passes, and closes the source" do
    source = TrackedSource.new(["<r>a", " & ", "</r>"])
    opts = [recover: :all, on_recover: fn _ -> raise "stop" end]

    assert_raise RuntimeError, "stop", fn ->
      source |> BoundedXml.stream(opts) |> Stream.run()
    end

    assert_received :closed
    refute_received :closed
  end

  test "is bounded" do
    document = ["<r>", List.duplicate("&x;\u0001", 1_000), "</r>"]
    assert {_events, nil} = Xml.events(document, [max_recoveries: 1_000] ++ report())
    assert length(reported()) == 2_000

    assert {_events, %ParseError{kind: :limit, limit: :max_recoveries, value: 999}} =
             Xml.events(document, [max_recoveries: 999] ++ report())
  end

  test "many recoveries in one part are reported in several calls" do
    for piece <- ["\u0001", "&", "&nbsp;"] do
      document = "<r>" <> String.duplicate(piece, 30_000) <> "</r>"
      assert {_events, nil} = Xml.events(document, report())
      reported = reported()
      assert length(reported) == 30_000
      places = Enum.map(reported, fn {_kind, ^piece, {1, column}} -> column end)

      assert places ==
               Enum.take_every(4..(30_000 * String.length(piece) + 3), String.length(piece))
    end
  end

  test "wrong options" do
    for opts <- [
          [recover: :most],
          [recover: [:entity]],
          [recover: true],
          [on_recover: :log],
          [on_recover: fn _, _ -> :ok end],
          [max_recoveries: 0]
        ] do
      assert_raise ArgumentError, fn -> BoundedXml.stream("<r/>", opts) end
    end

    assert {_, nil} = Xml.events("<r/>", recover: [], on_recover: nil)
  end

  # The events of the part are lost with the exception: to go on would hide that.
  test "a parser whose function raises is interrupted" do
    for select <- [nil, "r/i"] do
      {:ok, parser} =
        Parser.new(select: select, recover: :all, on_recover: fn _ -> throw(:no) end)

      assert catch_throw(Parser.feed(parser, "<r><i/>Fish & chips<i/>")) == :no
      assert {:error, %{reason: :interrupted}, []} = Parser.feed(parser, "<i/></r>")
      assert {:error, %{reason: :interrupted}, []} = Parser.finish(parser)
      {:ok, parser} = Parser.restart(parser)
      assert elem(Parser.feed(parser, "<r/>"), 0) == :ok
    end
  end
end
