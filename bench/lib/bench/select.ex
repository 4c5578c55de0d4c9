defmodule Bench.Select do
  @moduledoc """
  `BoundedXml.select/3` against our own full stream, CPU time: at least 2 times as fast where at most
  half of the document is selected, 3 times for small leaves. And where the time of a full stream goes.
  """

  alias Bench.{Contenders, Document, Measure, Node, Report, Speed, Tally}
  require Tally

  # What is selected of each kind: parts, small leaves, and nothing at all.
  @paths [
    feed: [part: "rss/channel/item/description", leaf: "rss/channel/item/guid"],
    wikipedia: [part: "mediawiki/page/revision/contributor", leaf: "mediawiki/page/title"],
    iso20022: [part: "//c:RltdPties", leaf: "//c:IBAN"],
    spreadsheet: [part: "//v", leaf: "worksheet/dimension"],
    osm: [part: "osm/way", leaf: "osm/way/tag"]
  ]
  @nothing "none/such"

  def run(directory, mb, rounds) do
    Node.with_node(fn node ->
      for kind <- Document.kinds() do
        path = Path.join(directory, "#{kind}.xml")
        Document.write!(kind, mb * 1_000_000, path)
        measured = measure(node, path, [:full, @nothing | Keyword.values(@paths[kind])], rounds)
        IO.puts("  #{kind}")
        {kind, measured, Node.call(node, __MODULE__, :gc_share, [path])}
      end
    end)
  end

  @doc "How much faster than the full stream each selection is."
  def table(results) do
    lines =
      for {kind, measured, _gc} <- results, {what, path} <- @paths[kind] do
        full = measured[:full]
        selected = measured[path]
        {events, _text_bytes} = selected.counted

        [
          to_string(kind),
          to_string(what),
          path,
          Integer.to_string(selected.records),
          Report.number(100 * events / elem(full.counted, 0), 1) <> " %",
          Report.number(full.cpu_ms / selected.cpu_ms)
        ]
      end

    Report.columns([["kind", "what", "path", "records", "of all events", "times as fast"] | lines])
  end

  @doc """
  Where the time of a full stream goes. Scanning is the same NIF making no terms, which is a selection of
  nothing: the floor. Garbage collection is what the VM accounts for. The rest is terms: making them,
  handing them on and counting them.
  """
  def shares(results) do
    lines =
      for {kind, measured, gc} <- results do
        full = measured[:full].cpu_ms
        scanning = measured[@nothing].cpu_ms / full
        bytes = measured[:full].bytes

        [
          to_string(kind),
          Report.number(bytes / 1000 / full, 0),
          Report.number(bytes / 1000 / measured[@nothing].cpu_ms, 0),
          percent(scanning),
          percent(1 - scanning - gc),
          percent(gc)
        ]
      end

    Report.columns([["kind", "MB/s", "floor MB/s", "scanning", "terms", "collecting"] | lines])
  end

  defp percent(share), do: Report.number(100 * share, 0) <> " %"

  defp measure(node, path, runs, rounds) do
    times =
      Map.new(
        runs,
        &{&1, Measure.times(Node.call(node, __MODULE__, :once, [path, &1, 1]).cpu_ms)}
      )

    measured = for _ <- 1..rounds, run <- runs, do: {run, node_once(node, path, run, times[run])}

    for {run, measured} <- Enum.group_by(measured, &elem(&1, 0), &elem(&1, 1)), into: %{} do
      {run,
       %{
         cpu_ms: Measure.median(Enum.map(measured, & &1.cpu_ms)),
         counted: hd(measured).counted,
         records: run != :full && Node.call(node, __MODULE__, :records, [path, run]),
         bytes: File.stat!(path).size
       }}
    end
  end

  defp node_once(node, path, run, times),
    do: Node.call(node, __MODULE__, :once, [path, run, times])

  @doc false
  def once(path, :full, times) do
    chunks = Speed.chunks(path)
    Measure.run(fn -> Contenders.Bounded.count(chunks) end, times)
  end

  def once(path, selected, times) do
    chunks = Speed.chunks(path)

    Measure.run(
      fn ->
        chunks
        |> BoundedXml.select(selected)
        |> Enum.reduce(Tally.new(), &tally/2)
        |> Tally.counted()
      end,
      times
    )
  end

  @doc false
  def records(path, selected),
    do: path |> Speed.chunks() |> BoundedXml.select(selected) |> Enum.count()

  @doc false
  # The share of a full stream's time that its scheduler spends collecting garbage.
  def gc_share(path) do
    chunks = Speed.chunks(path)
    :erlang.system_flag(:microstate_accounting, true)
    :erlang.system_flag(:microstate_accounting, :reset)
    Measure.run(fn -> Contenders.Bounded.count(chunks) end, 5)
    threads = :erlang.statistics(:microstate_accounting)
    :erlang.system_flag(:microstate_accounting, false)
    counters = for %{type: :scheduler, counters: counters} <- threads, do: counters
    busy = for counter <- counters, state <- [:emulator, :gc], do: counter[state]
    Enum.sum(Enum.map(counters, & &1.gc)) / Enum.sum(busy)
  end

  # The same as of a stream. Written out: of records this small, a function for each element would take as
  # long as making them.
  defp tally({_name, _attributes, children}, tally),
    do: tally_all(children, Tally.event(tally, 2))

  defp tally(text, tally), do: Tally.text(tally, byte_size(text))

  defp tally_all([child | children], tally), do: tally_all(children, tally(child, tally))
  defp tally_all([], tally), do: tally
end
