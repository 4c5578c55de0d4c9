defmodule Bench.Speed do
  @moduledoc """
  Us against the rivals: every contender parses every document, in turns, as many rounds as asked for.
  Medians; ratios of CPU time.
  """

  alias Bench.{Contender, Contenders, Document, Measure, Node}

  @chunk 65_536
  @near 4096

  # Issue 4: the geometric mean over the five kinds to reach, and the least for each kind.
  @targets [
    saxy: {6.5, 5.0},
    fast_xml: {10.0, 5.0},
    xmerl_sax_parser: {12.0, 7.0},
    erlsom: {15.0, 7.5},
    exml: {2.0, 1.1},
    quick_xml: {1.2, 0.95}
  ]

  def targets, do: @targets

  @doc """
  Measures generated documents of `mb` megabytes. Returns rows
  `%{contender, document, bytes, cpu_ms, wall_ms, events, text_bytes}`.
  """
  def generated(directory, mb, rounds, contenders) do
    documents =
      for kind <- Document.kinds() do
        paths =
          for wrap <- [:plain, :flat], into: %{} do
            path = Path.join(directory, "#{kind}-#{wrap}.xml")
            Document.write!(kind, mb * 1_000_000, path, wrap: wrap)
            {wrap, path}
          end

        {kind, paths}
      end

    measure(documents, rounds, contenders)
  end

  @doc "Measures the real documents in a directory."
  def samples(directory, rounds, contenders) do
    documents =
      for path <- directory |> Path.join("*") |> Path.wildcard() |> Enum.sort() do
        {Path.basename(path), %{plain: path, flat: path}}
      end

    measure(documents, rounds, contenders)
  end

  @doc "Ratios of a rival's CPU time to ours, per document: `{rival, document, ratio}`."
  def ratios(rows) do
    medians = Map.new(rows, &{{&1.contender, &1.document}, &1.cpu_ms})

    for row <- rows,
        row.contender not in [:bounded, :bounded_no_space],
        ours = medians[{Contender.ours(row.contender), row.document}],
        is_number(ours) and is_number(row.cpu_ms) do
      {row.contender, row.document, row.cpu_ms / ours}
    end
  end

  defp measure(documents, rounds, contenders) do
    Node.with_node(fn node ->
      Enum.flat_map(documents, fn {document, paths} ->
        IO.write("  #{document}:")
        rows = measure_document(node, document, paths, rounds, contenders)
        IO.puts("")
        rows
      end)
    end)
  end

  defp measure_document(node, document, paths, rounds, contenders) do
    # The first run warms up and tells how often to repeat.
    times =
      for contender <- contenders, into: %{} do
        {contender, once(node, contender, paths, 1)}
      end
      |> Map.new(fn
        {contender, %{cpu_ms: cpu}} ->
          {contender, Measure.times(cpu)}

        {contender, {:error, reason}} ->
          IO.write(" [#{contender} fails: #{reason}]")
          {contender, 0}
      end)

    measured =
      for _round <- 1..rounds, contender <- contenders, times[contender] > 0 do
        {contender, once(node, contender, paths, times[contender])}
      end

    for {contender, runs} <- Enum.group_by(measured, &elem(&1, 0), &elem(&1, 1)) do
      {events, text_bytes} = hd(runs).counted
      cpu_ms = Measure.median(Enum.map(runs, & &1.cpu_ms))
      IO.write(" #{contender} #{round(cpu_ms * 10) / 10}")

      %{
        contender: contender,
        document: document,
        bytes: File.stat!(path(contender, paths)).size,
        cpu_ms: cpu_ms,
        wall_ms: Measure.median(Enum.map(runs, & &1.wall_ms)),
        events: events,
        text_bytes: text_bytes
      }
    end
  end

  defp once(node, contender, paths, times),
    do: Node.call(node, __MODULE__, :run, [contender, path(contender, paths), times])

  defp path(contender, paths), do: Map.fetch!(paths, Contender.module(contender).wrap())

  @doc false
  def run(:quick_xml, path, times), do: Contenders.QuickXml.measure(path, times)

  def run(contender, path, times) do
    chunks = chunks(path)
    module = Contender.module(contender)
    # Some start an application, or load a library.
    true = module.available?()
    Measure.run(fn -> module.count(chunks) end, times)
  end

  @doc "A file as binaries of 64 KiB, kept for the next call."
  def chunks(path) do
    case :persistent_term.get({__MODULE__, path}, nil) do
      nil ->
        chunks = path |> File.read!() |> split()
        :persistent_term.put({__MODULE__, path}, chunks)
        chunks

      chunks ->
        chunks
    end
  end

  # Cut behind a line end where there is one near: Saxy 1.6 fails on a chunk that ends inside `]]>`.
  defp split(<<chunk::binary-size(@chunk), _::binary>> = document) do
    case :binary.matches(chunk, "\n", scope: {@chunk - @near, @near}) do
      [] -> split(document, @chunk)
      ends -> split(document, (ends |> List.last() |> elem(0)) + 1)
    end
  end

  defp split(rest), do: [rest]

  defp split(document, size) do
    <<chunk::binary-size(size), rest::binary>> = document
    [chunk | split(rest)]
  end
end
