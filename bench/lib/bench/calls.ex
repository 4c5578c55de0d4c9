defmodule Bench.Calls do
  @moduledoc """
  The longest call of a NIF, which must stay under 1 ms.

  Calls are traced with timestamps. The same document makes the same calls every time, so of each call
  the shortest of several rounds counts: that leaves out what the operating system did meanwhile.
  """

  alias Bench.{Contenders, Document, Node, Report, Speed}

  def run(paths, rounds) do
    Node.with_node(fn node ->
      for path <- paths do
        IO.puts("  #{Path.basename(path)}")
        {Path.basename(path), Node.call(node, __MODULE__, :durations, [path, rounds])}
      end
    end)
  end

  @doc "Documents that are hard on a single call."
  def hard(directory) do
    documents = [
      attributes_250: ["<r>", List.duplicate(["<a ", attributes(250), "/>"], 2_000), "</r>"],
      references: ["<r>", List.duplicate("&#x41;&amp;&lt;", 300_000), "</r>"],
      empty_elements: ["<r>", List.duplicate("<a/>", 1_000_000), "</r>"],
      depth_250: [List.duplicate("<a>", 250), List.duplicate("</a>", 250)],
      names: ["<r>", for(i <- 1..100_000, do: ["<n", Integer.to_string(i), "/>"]), "</r>"],
      attribute_3_mib: [~s(<r a="), String.duplicate("x&#10;\n", 450_000), ~s("/>)],
      comment_3_mib: ["<!--", String.duplicate("x ", 1_500_000), "--><r/>"],
      utf16: [<<0xFF, 0xFE>>, utf16("<r>" <> String.duplicate("<a>ж</a>", 100_000) <> "</r>")]
    ]

    generated =
      for kind <- Document.kinds() ++ [:text, :cdata] do
        path = Path.join(directory, "#{kind}.xml")
        Document.write!(kind, 4_000_000, path)
        path
      end

    generated ++
      for {name, iodata} <- documents do
        path = Path.join(directory, "#{name}.xml")
        File.write!(path, iodata)
        path
      end
  end

  def table(results) do
    lines =
      for {name, durations} <- Enum.sort_by(results, fn {_, d} -> -Enum.max(d, fn -> 0 end) end) do
        longest = Enum.max(durations, fn -> 0 end)
        over = Enum.count(durations, &(&1 > 1_000_000))
        [name, "#{length(durations)}", Report.number(longest / 1000, 0), "#{over}"]
      end

    Report.columns([["document", "calls", "longest us", "over 1 ms"] | lines])
  end

  @doc false
  def durations(path, rounds) do
    chunks = Speed.chunks(path)
    runs = for _ <- 1..rounds, do: traced(fn -> parse(chunks) end)
    Enum.zip_with(runs, &Enum.min/1)
  end

  # Malformed documents and those beyond a limit are welcome.
  defp parse(chunks) do
    Contenders.Bounded.count(chunks)
  rescue
    BoundedXml.ParseError -> :failed
  end

  defp traced(fun) do
    tracer = self()
    {:module, _} = Code.ensure_loaded(Bounded.Native)
    returns = [{:_, [], [{:return_trace}]}]
    :erlang.trace_pattern({Bounded.Native, :_, :_}, returns, [:local])

    {pid, monitor} =
      spawn_monitor(fn ->
        receive do
          :go -> fun.()
        end
      end)

    :erlang.trace(pid, true, [:call, :monotonic_timestamp, {:tracer, tracer}])
    send(pid, :go)
    durations = collect(pid, monitor, [], nil)
    :erlang.trace_pattern({Bounded.Native, :_, :_}, false, [:local])
    durations
  end

  defp collect(pid, monitor, durations, started) do
    receive do
      {:trace_ts, ^pid, :call, _call, at} ->
        collect(pid, monitor, durations, at)

      {:trace_ts, ^pid, :return_from, _function, _result, at} ->
        took = :erlang.convert_time_unit(at - started, :native, :nanosecond)
        collect(pid, monitor, [took | durations], nil)

      {:DOWN, ^monitor, :process, ^pid, _reason} ->
        Enum.reverse(durations)
    end
  end

  defp attributes(count), do: for(i <- 1..count, do: [" a", Integer.to_string(i), ~s(="value")])

  defp utf16(text), do: :unicode.characters_to_binary(text, :utf8, {:utf16, :little})
end
