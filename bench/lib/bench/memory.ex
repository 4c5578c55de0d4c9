defmodule Bench.Memory do
  @moduledoc """
  Peak growth of the VM while a document of 10 MB and one of 1 GB is streamed, giant tokens included: it must not depend on the size,
  and stay under 16 MiB. The same for records of fields, and for documents that are read, mapped and written.
  """

  alias Bench.{Contenders, Document, Encode, Fields, Node, Report}

  @sizes [10_000_000, 1_000_000_000]
  @page 4096

  def run do
    for {way, kinds} <- ways(), kind <- kinds, size <- sizes(kind) do
      growth = Node.with_node(&Node.call(&1, __MODULE__, :growth, [way, kind, size]))
      IO.puts("  #{way} #{kind} #{div(size, 1_000_000)} MB")
      Map.merge(growth, %{way: way, kind: kind, size: size})
    end
  end

  # What the document goes through.
  defp ways do
    [
      stream: Document.kinds() ++ Document.giants(),
      fields: Document.kinds(),
      rewritten: Document.kinds()
    ]
  end

  defp consume(:stream, _kind, chunks), do: Contenders.Bounded.count(chunks)
  defp consume(:fields, kind, chunks), do: Fields.records(kind, chunks)

  defp consume(:rewritten, _kind, chunks),
    do: chunks |> Encode.rewritten() |> Enum.reduce(0, &(byte_size(&1) + &2))

  # A giant attribute is beyond a limit, and fails there.
  defp sizes(:attribute), do: [3_000_000]
  defp sizes(_kind), do: @sizes

  def table(results) do
    lines =
      for result <- results do
        [
          to_string(result.way),
          to_string(result.kind),
          "#{div(result.size, 1_000_000)} MB",
          mib(result.vm),
          mib(result.resident),
          mib(result.native)
        ]
      end

    Report.columns([
      ["way", "kind", "document", "VM MiB", "resident MiB", "native peak MiB"] | lines
    ])
  end

  defp mib(bytes), do: Report.number(bytes / 1_048_576, 1)

  @doc false
  def growth(way, kind, size) do
    # Generated from the same MiB over and over, so that only the parser makes garbage.
    document = Enum.to_list(Document.stream(kind, min(size, 1_000_000)))
    stream = Document.stream(kind, size, repeat: true)
    consume(way, kind, document)
    :erlang.garbage_collect()

    before = now()
    sampler = spawn_link(fn -> Process.flag(:priority, :high) && sample(before) end)
    {_pid, monitor} = spawn_monitor(fn -> consume(way, kind, stream) end)

    receive do
      {:DOWN, ^monitor, :process, _pid, :normal} -> :ok
    end

    send(sampler, {:peak, self()})

    receive do
      {:peak, {vm, resident}} ->
        {vm_before, resident_before} = before
        native = Bounded.Native.node_usage() |> elem(0) |> elem(4)
        %{vm: vm - vm_before, resident: resident - resident_before, native: native}
    end
  end

  defp sample({vm, resident}) do
    receive do
      {:peak, asker} -> send(asker, {:peak, {vm, resident}})
    after
      1 ->
        {vm_now, resident_now} = now()
        sample({max(vm, vm_now), max(resident, resident_now)})
    end
  end

  defp now, do: {:erlang.memory(:total), resident()}

  defp resident do
    [_size, resident | _] = "/proc/self/statm" |> File.read!() |> String.split()
    String.to_integer(resident) * @page
  end
end
