defmodule BoundedXml.CallsTest do
  use ExUnit.Case, async: false

  @moduletag :native_speed

  # What one NIF call may take, on documents made to be hard on it, and what comes of these documents.

  alias Bounded.Test.{Calls, Hostile}
  alias BoundedXml.ParseError

  @mib 1024 * 1024

  # Long enough for every limit there is; `mix bench calls` makes them as long as they can be.
  @attack_bytes 20_000_000

  @tag :slow
  @tag timeout: 600_000
  test "attacks get their verdict in short calls and little memory" do
    for {name, chunks, options, verdict} <- Hostile.attacks(@attack_bytes) do
      measured = measure(name, fn -> BoundedXml.stream(chunks, options) end, verdict)
      assert measured.peak < 16 * @mib, "#{name}: #{measured.peak} bytes"
    end
  end

  @tag :slow
  @tag timeout: 600_000
  test "large values and long tags are read in short calls" do
    for {name, chunks, options, verdict} <- Hostile.large() do
      measure(name, fn -> BoundedXml.stream(chunks, options) end, verdict)
    end

    for {name, chunks, path, options, verdict} <- Hostile.records() do
      measure(name, fn -> BoundedXml.select(chunks, path, options) end, verdict)
    end
  end

  @tag :slow
  test "with wider limits, more attributes and longer values are read as well" do
    for {name, chunks, options, verdict} <- Hostile.trusted() do
      assert Hostile.read(BoundedXml.stream(chunks, options)) == verdict, name
    end
  end

  test "document type declarations as large as can be are read in short calls" do
    for {name, document} <- Hostile.declarations() do
      assert byte_size(document) in 70_000..98_304, name
      read = fn -> BoundedXml.stream(document, limits: :trusted) end
      measure("declared: " <> name, read, :ok)
      longer = String.replace(document, "]><a/>", String.duplicate(" ", 98_304) <> "]><a/>")

      error =
        assert_raise ParseError, fn ->
          longer |> BoundedXml.stream(limits: :trusted) |> Enum.to_list()
        end

      assert {error.limit, error.value} == {:max_dtd_bytes, 98_304}
    end
  end

  test "many small parts are read, or selected from, in short calls" do
    for {name, document, options} <- Hostile.dense() do
      measure("dense: " <> name, fn -> BoundedXml.stream(document, options) end, :ok)
      options = Hostile.selecting(options)
      measure("selected: " <> name, fn -> BoundedXml.select(document, "//x", options) end, :ok)
    end
  end

  # More than any limit allows.
  @wide for limit <- [
              :max_depth,
              :max_attributes,
              :max_name_bytes,
              :max_namespaces,
              :max_entity_depth
            ],
            do: {limit, 1_073_741_824}

  test "limits as wide as they can be are read up to in short calls" do
    most = &ParseError.ceilings()[&1]

    [attributes, namespaces, depth, entities] =
      Enum.map([:max_attributes, :max_namespaces, :max_depth, :max_entity_depth], most)

    tag = &IO.iodata_to_binary(["<r xmlns:p='u'", Enum.map(&1, &2), "/>"])
    # They differ at their end.
    long_names = fn count, prefix ->
      name = String.duplicate("n", most.(:max_name_bytes) - 10)
      tag.(1..count, &" #{prefix}#{name}#{&1}='v'")
    end

    deep = fn depth, name ->
      Stream.concat(
        Stream.map(1..depth, &"<#{name}#{&1}>"),
        Stream.map(depth..1, &"</#{name}#{&1}>")
      )
    end

    # Each refers to the next one.
    chain = fn count, reference ->
      declared = Enum.map_join(1..(count - 1), &"<!ENTITY e#{&1} '&e#{&1 + 1};'>")
      "<!DOCTYPE r [#{declared}<!ENTITY e#{count} 'x'>]>" <> reference
    end

    for {name, document, limit} <- [
          {"entities in one another", chain.(entities, "<r>&e1;</r>"), :max_entity_depth},
          {"entities in one another, in a value", chain.(entities, "<r a='&e1;'/>"),
           :max_entity_depth},
          {"attributes", tag.(2..attributes, &" a#{&1}='v'"), :max_attributes},
          {"attributes with a prefix", tag.(2..attributes, &" p:a#{&1}='v'"), :max_attributes},
          {"namespaces", tag.(2..namespaces, &" xmlns:p#{&1}='u#{&1}'"), :max_namespaces},
          {"elements in one another", deep.(depth, "a"), :max_depth},
          {"long names in one another", deep.(1_000, String.duplicate("n", 60_000)), nil},
          {"16 long names", long_names.(15, ""), nil},
          {"100 long names", long_names.(100, ""), nil},
          {"100 long names with a prefix", long_names.(100, "p:"), nil}
        ] do
      options = [limits: :trusted, namespaces: true, max_token_bytes: 1_073_741_824] ++ @wide
      measure(name, fn -> BoundedXml.stream(document, options) end, :ok)

      if limit do
        # As large as it is allowed to be, and refused if it were less.
        less = Keyword.put(options, limit, most.(limit) - 1)
        assert Hostile.read(BoundedXml.stream(document, less)) == {:limit, limit}
      end
    end
  end

  test "a document that does not start on a byte is read in short calls" do
    document = IO.iodata_to_binary(["<a>", List.duplicate("<b>text</b>", 500_000), "</a>"])
    <<_::4, unaligned::binary>> = <<0::4, document::binary>>

    for source <- [unaligned, [unaligned]] do
      measure("unaligned", fn -> BoundedXml.stream(source) end, :ok)
    end
  end

  defp measure(name, stream, verdict) do
    measured = Calls.measure(fn -> Calls.once(fn -> Hostile.read(stream.()) end) end)
    figures = "#{div(measured.longest, 1000)} us, #{div(measured.peak, 1024)} KiB"
    IO.puts("calls: #{String.pad_trailing(name, 50)} #{figures}")
    assert measured.result == verdict, "#{name}: #{inspect(measured.result)}"
    assert measured.over == 0, "#{name}: #{figures}"
    measured
  end

  # More than a call makes terms of, values of all sizes among them.
  @count 5_000

  defp value(n) when rem(n, 1_000) == 0, do: String.duplicate("long", 75_000)
  defp value(n), do: "value#{n}"

  defp long_tag do
    attributes = for n <- 1..@count, do: {"a#{n}", value(n)}
    written = for {name, value} <- attributes, do: " #{name}='#{value}'"

    {IO.iodata_to_binary(["<r><!-- x -->text<e", written, "/>", "<f", written, "/></r>"]),
     attributes}
  end

  test "a tag of thousands of attributes is the same as any other" do
    {document, attributes} = long_tag()

    expected = [
      {:start_document, []},
      {:start_element, {"r", []}},
      {:characters, "text"},
      {:start_element, {"e", attributes}},
      {:end_element, "e"},
      {:start_element, {"f", attributes}},
      {:end_element, "f"},
      {:end_element, "r"},
      {:end_document, {}}
    ]

    assert Enum.to_list(BoundedXml.stream(document, limits: :trusted)) == expected

    {:ok, parser} = BoundedXml.Parser.new(limits: :trusted)
    {:ok, events} = BoundedXml.Parser.feed(parser, document)
    {:ok, last} = BoundedXml.Parser.finish(parser)
    assert events ++ last == expected
  end

  test "a tag of thousands of attributes has the place where it begins" do
    {document, attributes} = long_tag()
    events = BoundedXml.stream(document, limits: :trusted, positions: true)

    assert {{:start_element, {"e", ^attributes}}, {1, 18}} = Enum.at(events, 3)
  end
end
