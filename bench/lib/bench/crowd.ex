defmodule Bench.Crowd do
  @moduledoc """
  A thousand processes parsing at once must share the schedulers fairly, and a document of 1 KB must
  cost no more than Saxy's `parse_string` takes and leave nothing behind.
  """

  alias Bench.{Contenders, Document, Measure, Node, Report}

  @processes 1000
  @small_documents 100_000
  @timed_documents 10_000

  def run(rounds) do
    Node.with_node(fn node ->
      %{
        finishing: Node.call(node, __MODULE__, :finishing, []),
        left: Node.call(node, __MODULE__, :left_behind, []),
        small:
          for contender <- [:bounded] ++ if(Contenders.Saxy.available?(), do: [:saxy], else: []) do
            {contender, small(node, contender, rounds)}
          end
      }
    end)
  end

  def text(%{finishing: finishing, left: left, small: small}) do
    [first, tenth, half, last] = finishing

    [
      "  #{@processes} processes, 256 KB each: the first is done after ",
      "#{percent(first, last)} of the time, a tenth after #{percent(tenth, last)}, ",
      "half after #{percent(half, last)}\n",
      "  #{@small_documents} documents of 1 KB leave #{left} native bytes\n",
      for {contender, cpu_ms} <- small do
        "  1 KB document, #{contender}: #{Report.number(1000 * cpu_ms)} us of CPU time\n"
      end
    ]
  end

  defp percent(part, whole), do: Report.number(100 * part / whole, 0) <> " %"

  defp small(node, contender, rounds) do
    runs = for _ <- 1..rounds, do: Node.call(node, __MODULE__, :small, [contender])
    Measure.median(Enum.map(runs, & &1.cpu_ms))
  end

  @doc false
  def small(contender) do
    document = small_document()

    parse =
      case contender do
        :bounded -> fn -> Contenders.Bounded.count(document) end
        :saxy -> fn -> Contenders.Saxy.count_string(document) end
      end

    parse.()
    Measure.run(parse, @timed_documents)
  end

  @doc false
  # When the first, the tenth percentile, the median and the last of them are done, in native units.
  def finishing do
    chunks = Enum.to_list(Document.stream(:iso20022, 256_000))
    Contenders.Bounded.count(chunks)
    parent = self()

    for _ <- 1..@processes do
      spawn_link(fn ->
        receive do
          {:go, started} ->
            Contenders.Bounded.count(chunks)
            send(parent, {:done, :erlang.monotonic_time() - started})
        end
      end)
    end
    |> then(fn pids ->
      started = :erlang.monotonic_time()
      Enum.each(pids, &send(&1, {:go, started}))
    end)

    times =
      for _ <- 1..@processes do
        receive do
          {:done, time} -> time
        end
      end
      |> Enum.sort()

    for place <- [0, div(@processes, 10), div(@processes, 2), @processes - 1],
        do: Enum.at(times, place)
  end

  @doc false
  def left_behind do
    before = native_bytes()
    document = small_document()
    {pid, monitor} = spawn_monitor(fn -> parse_many(document, @small_documents) end)

    receive do
      {:DOWN, ^monitor, :process, ^pid, :normal} -> settled(before, 1000)
    end
  end

  defp parse_many(_document, 0), do: :ok

  defp parse_many(document, times) do
    Contenders.Bounded.count(document)
    parse_many(document, times - 1)
  end

  # Destructors run as scheduler work: a second is given to them.
  defp settled(before, tries) do
    case native_bytes() - before do
      left when left == 0 or tries == 0 ->
        left

      _left ->
        Process.sleep(1)
        settled(before, tries - 1)
    end
  end

  defp native_bytes, do: Bounded.Native.node_usage() |> elem(0) |> elem(2)

  # About 1 KB, as a SOAP request has.
  defp small_document do
    lines =
      for i <- 1..6 do
        """
              <m:line number="#{i}">
                <m:article>4006381#{33_3931 + i}</m:article>
                <m:quantity unit="piece">#{i * 12}</m:quantity>
              </m:line>
        """
      end

    """
    <?xml version="1.0" encoding="UTF-8"?>
    <soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">
      <soap:Header><m:session xmlns:m="urn:example:orders">5f3c9a</m:session></soap:Header>
      <soap:Body>
        <m:order xmlns:m="urn:example:orders" currency="EUR">
          <m:customer id="10472">M&#xFC;ller &amp; Söhne</m:customer>
    #{lines}    </m:order>
      </soap:Body>
    </soap:Envelope>
    """
  end
end
