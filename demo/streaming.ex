defmodule Demo.Streaming do
  @moduledoc false
  # Part 1: a document much larger than memory ought to be for it, streamed; then what a tree costs.

  import Demo.Terminal, only: [bytes: 1, heading: 1, progress: 2, progress_done: 0, seconds: 1]

  alias Demo.{Documents, Memory}

  @feed 1_073_741_824
  @piece 20_971_520
  @limit 33_554_432

  @doc "Streams `files`, or a feed made up on the fly. Returns rows for the last table, and `[{title, samples}]`."
  def run([]), do: both([stream("a generated feed", Documents.feed(@feed))])
  def run(files), do: both(Enum.map(files, &stream(Path.basename(&1), Documents.file(&1))))

  defp both(streams) do
    {rows, series} = Enum.unzip(streams)
    {rows ++ trees(), series}
  end

  def limit, do: @limit

  defp stream(name, document) do
    heading("#{name}: #{bytes(document.bytes)}, under a quota of #{bytes(@limit)}")
    before = Memory.resident()
    watcher = Memory.watch(System.pid())
    # Bytes read, items seen.
    seen = :counters.new(2, [])
    ticker = Task.async(fn -> tick(seen, document, System.monotonic_time(:millisecond)) end)

    {microseconds, verdict} =
      :timer.tc(fn -> Quota.run(@limit, fn -> walk(document, seen) end, label: name) end)

    Task.shutdown(ticker, :brutal_kill)
    show(seen, document, div(microseconds, 1000))
    progress_done()
    samples = Memory.stop(watcher)
    peak = samples |> Enum.map(&elem(&1, 1)) |> Enum.max()
    items = :counters.get(seen, 2)

    if verdict == :ok and document.items not in [0, items] do
      raise "#{items} items were seen, and #{document.items} sent"
    end

    rate = "#{round(:counters.get(seen, 1) / microseconds)} MB/s"
    how = "#{bytes(document.bytes)}, #{items} #{what(document)}, #{rate}"
    row = ["stream #{name}", how <> rejected(verdict), grown(before, peak)]
    {row, {"#{name}, #{bytes(document.bytes)}", samples}}
  end

  # In a generated feed what counts is an item, in a file any element.
  defp walk(document, seen) do
    document.chunks
    |> Stream.each(&:counters.add(seen, 1, byte_size(&1)))
    |> BoundedXml.stream()
    |> Enum.each(fn
      {:start_element, {"item", _}} -> :counters.add(seen, 2, 1)
      {:start_element, _} when document.items == 0 -> :counters.add(seen, 2, 1)
      _ -> :ok
    end)
  rescue
    error in BoundedXml.ParseError -> {:rejected, Exception.message(error)}
  end

  defp rejected(:ok), do: ""

  defp rejected({:rejected, reason}) do
    IO.puts("  rejected: #{reason}")
    ", then rejected"
  end

  defp what(document), do: if(document.items == 0, do: "elements", else: "items")

  defp tick(seen, document, start) do
    Process.sleep(if Demo.Terminal.live?(), do: 200, else: 2_000)
    show(seen, document, System.monotonic_time(:millisecond) - start)
    tick(seen, document, start)
  end

  defp show(seen, document, ms) do
    done = :counters.get(seen, 1)

    text =
      [
        "#{bytes(done)} of #{bytes(document.bytes)}",
        "#{round(done / max(ms, 1) / 1000)} MB/s",
        "#{:counters.get(seen, 2)} #{what(document)}",
        "resident #{bytes(Memory.resident())}",
        seconds(ms)
      ]
      |> Enum.join("   ")

    progress(done / document.bytes, text)
  end

  defp trees do
    heading("#{bytes(@piece)} of that feed in memory, each in a VM of its own")

    for {parser, name} <- [
          {"bounded", "BoundedXml.stream, item by item"},
          {"xmerl", ":xmerl_scan, as a tree"}
        ] do
      {ms, {before, peak, items}} = in_node(parser)

      IO.puts(
        "  #{name}: #{items} items in #{seconds(ms)}, resident memory #{grown(before, peak)}"
      )

      ["#{bytes(@piece)} with #{name}", "#{items} items in #{seconds(ms)}", grown(before, peak)]
    end
  end

  defp in_node(parser) do
    node = Demo.Node.start(["parse", parser, @piece])
    {microseconds, result} = :timer.tc(fn -> Demo.Node.result(node) end)
    Demo.Node.stop(node)
    [items, peak] = String.split(result)
    {div(microseconds, 1000), {String.to_integer(node.ready), String.to_integer(peak), items}}
  end

  defp grown(before, peak), do: "#{bytes(before)}, grew by #{bytes(max(peak - before, 0))}"
end
