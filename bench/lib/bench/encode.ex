defmodule Bench.Encode do
  @moduledoc """
  Writing: `BoundedXml.encode/2` and `encode_stream/2` against the rivals, CPU time, in turns, on what the generated documents hold.

  Every writer gives one binary, or is flattened to one, of the same tree: of the form that it takes, made beforehand. quick-xml's
  `Writer`, and ours fed from memory without terms, run in a program of their own.
  """

  alias Bench.{Contenders, Document, Measure, Node, Report}

  # What each rival takes, in multiples of ours: for each kind, and the geometric mean.
  @targets [
    saxy: {15.0, 12.0},
    exml: {2.3, 2.0},
    fast_xml: {1.5, 1.2},
    quick_xml: {1.0, 0.6}
  ]
  # Of quick-xml's time, what ours takes from memory.
  @native {1.8, 1.3}
  # What the native part of a stream takes, and a stream of Saxy's.
  @stream_native {0.6, 0.6}
  @stream {3.0, 3.0}

  @ours [:bounded, :stream_of_events, :read_map_write]
  @rivals [:saxy, :exml, :fast_xml, :saxy_read_map_write]
  @programs [:quick_xml, :native]

  def run(directory, mb, rounds) do
    programs = if Contenders.WriteSpeed.available?(), do: @programs, else: []

    Node.with_node(fn node ->
      rivals = Node.call(node, __MODULE__, :available, [])

      for kind <- Document.kinds() do
        path = Path.join(directory, "#{kind}.xml")
        Document.write!(kind, mb * 1_000_000, path)
        Node.call(node, __MODULE__, :prepare, [path, rivals])
        measured = measure(node, path, @ours ++ rivals ++ programs, rounds)
        IO.puts("  #{kind}")
        {kind, measured}
      end
    end)
  end

  @doc "MB of the document that each writes in a second of CPU time."
  def throughput(results) do
    kinds = Enum.map(results, fn {kind, _} -> to_string(kind) end)
    writers = results |> hd() |> elem(1) |> Map.keys() |> Enum.sort()

    lines =
      for writer <- writers do
        speeds = for {_, measured} <- results, do: measured[writer]
        [to_string(writer) | Enum.map(speeds, &Report.number(&1.bytes / 1000 / &1.cpu_ms, 0))]
      end

    Report.columns([["MB/s of CPU time" | kinds] | lines])
  end

  @doc "How many times as long a rival takes, with what was asked for."
  def table(results) do
    heading = ["ratio" | Enum.map(results, fn {kind, _} -> to_string(kind) end)]

    lines =
      for {name, rival, ours, {goal, floor}} <- ratios(),
          Enum.all?(results, fn {_, measured} -> measured[rival] && measured[ours] end) do
        ratios = for {_, measured} <- results, do: measured[rival].cpu_ms / measured[ours].cpu_ms
        mean = Measure.geometric_mean(ratios)
        met = mean >= goal and Enum.min(ratios) >= floor

        [name | Enum.map(ratios, &Report.number/1)] ++
          [Report.number(mean), Report.number(goal), Report.number(floor)] ++
          [if(met, do: "met", else: "missed")]
      end

    Report.columns([heading ++ ["mean", "goal", "floor", "verdict"] | lines])
  end

  defp ratios do
    for({rival, target} <- @targets, do: {to_string(rival), rival, :bounded, target}) ++
      [
        {"quick_xml / native", :quick_xml, :native, @native},
        {"quick_xml / stream", :quick_xml, :stream_of_events, @stream_native},
        {"saxy / stream, read and mapped", :saxy_read_map_write, :read_map_write, @stream}
      ]
  end

  defp measure(node, path, writers, rounds) do
    # CPU time is exact to a millisecond: one that took none would be repeated for minutes.
    times = Map.new(writers, &{&1, Measure.times(max(once(node, path, &1, 1).cpu_ms, 1.0))})

    measured =
      for _ <- 1..rounds, writer <- writers, do: {writer, once(node, path, writer, times[writer])}

    for {writer, measured} <- Enum.group_by(measured, &elem(&1, 0), &elem(&1, 1)), into: %{} do
      {writer,
       %{
         cpu_ms: Measure.median(Enum.map(measured, & &1.cpu_ms)),
         bytes: hd(measured).counted
       }}
    end
  end

  defp once(_node, path, program, times) when program in @programs,
    do: Contenders.WriteSpeed.measure(program, path, times)

  defp once(node, path, writer, times),
    do: Node.call(node, __MODULE__, :write, [writer, path, times])

  @doc false
  def available do
    for rival <- @rivals, there?(rival), do: rival
  end

  defp there?(:exml), do: Code.ensure_loaded?(:exml)
  defp there?(:fast_xml), do: match?({:ok, _}, Application.ensure_all_started(:fast_xml))
  defp there?(_saxy), do: Code.ensure_loaded?(Saxy)

  @doc false
  # What each takes, in the form that it takes, where no process has to copy it.
  def prepare(path, rivals) do
    [tree] =
      {:file, path} |> BoundedXml.select("*", max_record_bytes: 1_073_741_824) |> Enum.to_list()

    put(:bounded, tree)
    put(:stream_of_events, {:file, path} |> BoundedXml.stream() |> Enum.to_list())
    put(:read_map_write, Bench.Speed.chunks(path))
    for rival <- rivals, do: put(rival, form(rival, tree, path))
    :ok
  end

  @doc "A document that is read, mapped and written, as a stream."
  def rewritten(chunks) do
    chunks
    |> BoundedXml.stream()
    |> Stream.map(&changed/1)
    |> BoundedXml.encode_stream()
  end

  # Strings by themselves Saxy does not escape.
  defp form(:saxy, {name, attributes, children}, path),
    do: {name, attributes, Enum.map(children, &form(:saxy, &1, path))}

  defp form(:saxy, text, _path), do: {:characters, text}
  defp form(:saxy_read_map_write, _tree, path), do: Bench.Speed.chunks(path)

  defp form(:exml, {name, attributes, children}, path),
    do: {:xmlel, name, Map.new(attributes), Enum.map(children, &form(:exml, &1, path))}

  defp form(:exml, text, _path), do: {:xmlcdata, text, :escaped}

  defp form(:fast_xml, {name, attributes, children}, path),
    do: {:xmlel, name, attributes, Enum.map(children, &form(:fast_xml, &1, path))}

  defp form(:fast_xml, text, _path), do: {:xmlcdata, text}

  @doc false
  def write(writer, _path, times) do
    content = get(writer)
    Measure.run(fn -> writer |> written(content) |> IO.iodata_length() end, times)
  end

  defp written(:bounded, tree), do: BoundedXml.encode(tree)

  defp written(:stream_of_events, events),
    do: events |> BoundedXml.encode_stream() |> Enum.reduce([], &[&2 | &1])

  defp written(:read_map_write, chunks), do: chunks |> rewritten() |> Enum.reduce([], &[&2 | &1])

  defp written(:saxy, tree),
    do: Saxy |> apply(:encode_to_iodata!, [tree]) |> IO.iodata_to_binary()

  defp written(:saxy_read_map_write, chunks) do
    Saxy
    |> apply(:stream_events, [chunks])
    |> Stream.map(&changed/1)
    |> Enum.reduce([], &[&2 | saxy(&1)])
    |> IO.iodata_to_binary()
  end

  defp written(:exml, tree), do: apply(:exml, :to_binary, [tree])
  defp written(:fast_xml, tree), do: apply(:fxml, :element_to_binary, [tree])

  defp changed({:characters, text}), do: {:characters, text}
  defp changed(event), do: event

  # Saxy writes elements only: of one with a text, the part that is asked for.
  defp saxy({:start_element, {name, attributes}}) do
    [_prolog, tag, ?> | _] = apply(Saxy, :encode_to_iodata!, [{name, attributes, [""]}])
    [tag, ?>]
  end

  defp saxy({:characters, text}) do
    element = {"a", [], [{:characters, text}]}
    [_prolog, _tag, ?>, text, _end] = apply(Saxy, :encode_to_iodata!, [element])
    text
  end

  defp saxy({:end_element, name}), do: ["</", name, ?>]
  defp saxy(_event), do: []

  defp put(writer, content), do: :persistent_term.put({__MODULE__, writer}, content)
  defp get(writer), do: :persistent_term.get({__MODULE__, writer})
end
