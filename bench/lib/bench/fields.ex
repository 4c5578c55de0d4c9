defmodule Bench.Fields do
  @moduledoc """
  `BoundedXml.select/3` with `:fields` against the same records as trees, against our own full stream, and against
  `Saxy.parse_stream/3` with a handler that does the same, where Saxy is there. CPU time.
  """

  alias Bench.{Contenders, Document, Measure, Node, Report, Speed}
  alias __MODULE__.Handler

  # The path of the records, and three leaves of each; `cells` are tiny records with every leaf.
  @asked [
    feed: {:feed, "rss/channel/item", [title: "title", link: "link", date: "pubDate"]},
    wikipedia:
      {:wikipedia, "mediawiki/page", [title: "title", id: "id", time: "revision/timestamp"]},
    iso20022: {:iso20022, "//c:Ntry", [ref: "c:NtryRef", amount: "c:Amt", iban: "//c:IBAN"]},
    spreadsheet:
      {:spreadsheet, "worksheet/sheetData/row", [row: "@r", cell: "c/@r", value: "c/v"]},
    osm: {:osm, "osm/way", [id: "@id", version: "@version", node: "nd/@ref"]},
    cells: {:spreadsheet, "worksheet/sheetData/row/c", [r: "@r", s: "@s", t: "@t", v: "v"]}
  ]

  def run(directory, mb, rounds) do
    contenders =
      [:fields, :trees, :stream] ++ if(Contenders.Saxy.available?(), do: [:saxy], else: [])

    Node.with_node(fn node ->
      for {name, {kind, _path, _fields}} <- @asked do
        path = Path.join(directory, "#{kind}.xml")
        Document.write!(kind, mb * 1_000_000, path)
        measured = measure(node, path, name, contenders, rounds)
        IO.puts("  #{name}")
        {name, measured}
      end
    end)
  end

  def table(results) do
    lines =
      for {name, measured} <- results do
        fields = measured.fields

        ratios =
          for contender <- [:trees, :stream, :saxy] do
            case measured[contender] do
              nil -> "-"
              other -> Report.number(other.cpu_ms / fields.cpu_ms)
            end
          end

        [to_string(name), Integer.to_string(fields.counted), Report.number(fields.cpu_ms, 1)] ++
          ratios
      end

    Report.columns([["records", "count", "ms", "trees", "stream", "saxy"] | lines])
  end

  defp measure(node, path, name, contenders, rounds) do
    once = fn contender, times ->
      Node.call(node, __MODULE__, :once, [path, name, contender, times])
    end

    # CPU time is exact to a millisecond: one that took none would be repeated for minutes.
    times = Map.new(contenders, &{&1, Measure.times(max(once.(&1, 1).cpu_ms, 1.0))})

    measured =
      for _ <- 1..rounds,
          contender <- contenders,
          do: {contender, once.(contender, times[contender])}

    for {contender, runs} <- Enum.group_by(measured, &elem(&1, 0), &elem(&1, 1)), into: %{} do
      cpu_ms = Measure.median(Enum.map(runs, & &1.cpu_ms))
      {contender, %{cpu_ms: cpu_ms, counted: hd(runs).counted}}
    end
  end

  @doc false
  def once(path, name, contender, times) do
    chunks = Speed.chunks(path)
    Measure.run(fn -> count(contender, chunks, @asked[name]) end, times)
  end

  @doc "The number of records of a document of this kind, each read as three fields."
  def records(kind, chunks), do: count(:fields, chunks, @asked[kind])

  defp count(:fields, chunks, {_kind, path, fields}),
    do: chunks |> BoundedXml.select(path, fields: fields) |> Enum.reduce(0, fn _, n -> n + 1 end)

  defp count(:trees, chunks, {_kind, path, _fields}),
    do: chunks |> BoundedXml.select(path) |> Enum.reduce(0, fn _, n -> n + 1 end)

  defp count(:stream, chunks, _asked),
    do: chunks |> BoundedXml.stream() |> Enum.reduce(0, fn _, n -> n + 1 end)

  defp count(:saxy, chunks, {_kind, path, fields}) do
    record = path |> String.split("/") |> List.last()
    state = Handler.new(record, fields)
    {:ok, state} = apply(Saxy, :parse_stream, [chunks, Handler, state])
    Handler.records(state)
  end

  defmodule Handler do
    @moduledoc false
    # A handler for Saxy that makes the same maps, as one would write it: the record, and the fields in it by name.

    # The attributes of elements in the record, by the element; the texts, by the element.
    def new(record, fields) do
      paths =
        for {key, path} <- fields,
            do: {key, path |> String.split("/") |> Enum.reject(&(&1 == ""))}

      empty = Map.new(fields, fn {key, _path} -> {key, nil} end)

      {record, for({key, ["@" <> name]} <- paths, do: {key, name}),
       for({key, [element, "@" <> name]} <- paths, into: %{}, do: {element, {key, name}}),
       for(
         {key, path} <- paths,
         not String.contains?(List.last(path), "@"),
         into: %{},
         do: {List.last(path), key}
       ), empty, nil, nil, [], 0}
    end

    def records(state), do: elem(state, 8)

    def handle_event(
          :start_element,
          {name, attributes},
          {name, own, inner, texts, empty, _, _, _, n}
        ) do
      map =
        Enum.reduce(own, empty, fn {key, attribute}, map ->
          put(map, key, attribute, attributes)
        end)

      {:ok, {name, own, inner, texts, empty, map, nil, [], n}}
    end

    def handle_event(
          :start_element,
          {name, attributes},
          {record, own, inner, texts, empty, map, open, text, n} = state
        )
        when map != nil do
      map =
        case inner do
          %{^name => {key, attribute}} when :erlang.map_get(key, map) == nil ->
            put(map, key, attribute, attributes)

          _ ->
            map
        end

      case texts do
        %{^name => key} when open == nil and :erlang.map_get(key, map) == nil ->
          {:ok, {record, own, inner, texts, empty, map, name, [], n}}

        _ when map == elem(state, 5) ->
          {:ok, state}

        _ ->
          {:ok, {record, own, inner, texts, empty, map, open, text, n}}
      end
    end

    def handle_event(:characters, piece, {record, own, inner, texts, empty, map, open, text, n})
        when open != nil,
        do: {:ok, {record, own, inner, texts, empty, map, open, [text | piece], n}}

    def handle_event(:end_element, name, {record, own, inner, texts, empty, map, name, text, n}) do
      map = %{map | Map.fetch!(texts, name) => IO.iodata_to_binary(text)}
      {:ok, {record, own, inner, texts, empty, map, nil, [], n}}
    end

    def handle_event(:end_element, name, {name, own, inner, texts, empty, map, _, _, n})
        when map != nil,
        do: {:ok, {name, own, inner, texts, empty, nil, nil, [], n + 1}}

    def handle_event(_type, _data, state), do: {:ok, state}

    defp put(map, key, attribute, attributes) do
      case List.keyfind(attributes, attribute, 0) do
        {_, value} -> %{map | key => value}
        nil -> map
      end
    end
  end
end
