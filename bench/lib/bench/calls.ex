defmodule Bench.Calls do
  @moduledoc """
  The longest call of a NIF, which must stay under 1 ms of its thread's CPU time: on documents made to be
  hard on a single call, on attacks at full size, on values as large as the limits allow, on markup and declarations of many small
  parts, on real documents.
  """

  alias Bench.{Document, Node, Report}
  alias Bounded.Native
  alias Bounded.Test.{Calls, Hostile}

  @groups [:hard, :attacks, :large, :records, :trusted, :dense, :selected, :declared]

  @doc "Whether this build of the native library measures its calls."
  def measured? do
    Native.measured_calls(0)
    true
  rescue
    ErlangError -> false
  end

  def run(directory, samples, rounds) do
    for kind <- Document.kinds(), do: Document.write!(kind, 4_000_000, path(directory, kind))

    for group <- @groups ++ [:samples],
        {name, index} <- Enum.with_index(names(group, directory, samples)) do
      arguments = [group, index, directory, samples]
      measured = Calls.measure(fn -> in_fresh_node(arguments) end, rounds)
      IO.puts("  #{name}: #{div(measured.longest, 1000)} us")
      Map.put(measured, :name, name)
    end
  end

  # Memory that an earlier round had touched would be touched in no time.
  defp in_fresh_node(arguments),
    do: Node.with_node(&Node.call(&1, __MODULE__, :measure, arguments))

  def table(results) do
    heading = [
      "document",
      "calls",
      "longest us",
      "in round 1",
      "over 1 ms",
      "peak KiB",
      "schedules over 5 ms",
      ""
    ]

    lines =
      for measured <- Enum.sort_by(results, &(-&1.longest)) do
        [
          measured.name,
          "#{measured.calls}",
          Report.number(measured.longest / 1000, 0),
          Report.number(measured.first / 1000, 0),
          "#{measured.over}",
          "#{div(measured.peak, 1024)}",
          "#{measured.long_schedules}",
          verdict(measured)
        ]
      end

    Report.columns([heading | lines])
  end

  defp verdict(%{result: same, expected: same}), do: ""
  defp verdict(%{expected: nil, result: result}), do: inspect(result)
  defp verdict(%{result: result}), do: "not as it must be: #{inspect(result)}"

  @doc false
  def measure(group, index, directory, samples) do
    {_name, read, expected} = Enum.at(documents(group, directory, samples), index)
    Map.put(Calls.once(fn -> Hostile.read(read.()) end), :expected, expected)
  end

  defp names(group, directory, samples),
    do: for({name, _read, _expected} <- documents(group, directory, samples), do: name)

  # Name, what gives a stream of events, and what must become of it where that is known.
  defp documents(:samples, _directory, samples) do
    for path <- samples do
      {Path.basename(path), fn -> BoundedXml.stream({:file, path}) end, nil}
    end
  end

  defp documents(:records, _directory, _samples) do
    for {name, chunks, path, options, verdict} <- Hostile.records() do
      {name, fn -> BoundedXml.select(chunks, path, options) end, verdict}
    end
  end

  defp documents(:dense, _directory, _samples) do
    for {name, document, options} <- Hostile.dense() do
      {"dense: #{name}", fn -> BoundedXml.stream(document, options) end, :ok}
    end
  end

  defp documents(:selected, _directory, _samples) do
    for {name, document, options} <- Hostile.dense() do
      options = Hostile.selecting(options)
      {"selected: #{name}", fn -> BoundedXml.select(document, "//x", options) end, :ok}
    end
  end

  defp documents(:declared, _directory, _samples) do
    for {name, document} <- Hostile.declarations() do
      {"declared: #{name}", fn -> BoundedXml.stream(document, limits: :trusted) end, :ok}
    end
  end

  defp documents(:hard, directory, _samples) do
    generated =
      for kind <- Document.kinds() do
        {to_string(kind), fn -> BoundedXml.stream({:file, path(directory, kind)}) end, :ok}
      end

    generated ++
      for {name, iodata} <- hard() do
        document = IO.iodata_to_binary(iodata)
        {to_string(name), fn -> BoundedXml.stream(document) end, :ok}
      end
  end

  defp documents(group, _directory, _samples) do
    for {name, chunks, options, verdict} <- apply(Hostile, group, []) do
      {name, fn -> BoundedXml.stream(chunks, options) end, verdict}
    end
  end

  defp hard do
    [
      attributes_250: ["<r>", List.duplicate(["<a ", attributes(250), "/>"], 2_000), "</r>"],
      references: ["<r>", List.duplicate("&#x41;&amp;&lt;", 300_000), "</r>"],
      depth_250: [List.duplicate("<a>", 250), List.duplicate("</a>", 250)],
      utf16: [<<0xFF, 0xFE>>, utf16("<r>" <> String.duplicate("<a>ж</a>", 100_000) <> "</r>")]
    ]
  end

  defp path(directory, kind), do: Path.join(directory, "#{kind}.xml")

  defp attributes(count), do: for(i <- 1..count, do: [" a", Integer.to_string(i), ~s(="value")])

  defp utf16(text), do: :unicode.characters_to_binary(text, :utf8, {:utf16, :little})
end
