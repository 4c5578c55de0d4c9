defmodule BoundedXml.HeapTuningTest do
  use ExUnit.Case, async: true

  # Many batches of events, however they are cut.
  @document IO.iodata_to_binary([
              "<rows>",
              for(n <- 1..20_000, do: "<row n='#{n}'>#{n}</row>"),
              "</rows>"
            ])

  setup do
    %{own: min_heap_size()}
  end

  defp min_heap_size do
    {:min_heap_size, words} = Process.info(self(), :min_heap_size)
    words
  end

  defp inside(_event, sizes), do: MapSet.put(sizes, min_heap_size())

  test "a large document has room for a batch, and the process its own heap size afterwards", %{
    own: own
  } do
    sizes = @document |> BoundedXml.stream() |> Enum.reduce(MapSet.new(), &inside/2)
    assert Enum.max(sizes) > own
    assert min_heap_size() == own
  end

  test "whatever ends the enumeration", %{own: own} do
    stream = BoundedXml.stream(@document)
    assert_raise RuntimeError, fn -> Enum.reduce(stream, 0, &raise_at/2) end
    assert min_heap_size() == own
    assert catch_throw(Enum.reduce_while(stream, 0, &throw_at/2)) == :enough
    assert min_heap_size() == own
    assert length(Enum.take(stream, 30_000)) == 30_000
    assert min_heap_size() == own

    assert_raise BoundedXml.ParseError, fn -> Enum.count(BoundedXml.stream(@document <> "<")) end
    assert min_heap_size() == own
  end

  test "also while it is suspended", %{own: own} do
    pairs = Stream.zip(BoundedXml.stream(@document), BoundedXml.stream(@document))
    assert Enum.reduce(pairs, MapSet.new(), &inside/2) == MapSet.new([own])
    assert min_heap_size() == own
  end

  test "one within another", %{own: own} do
    small = BoundedXml.stream(@document)
    outer = BoundedXml.stream(@document)

    Enum.reduce(outer, 0, fn _event, n ->
      if n == 20_000, do: Enum.each(small, & &1)
      n + 1
    end)

    assert min_heap_size() == own
  end

  test "a process that has more keeps it" do
    own = min_heap_size()
    Process.flag(:min_heap_size, 100_000)
    large = min_heap_size()
    sizes = @document |> BoundedXml.stream() |> Enum.reduce(MapSet.new(), &inside/2)
    assert sizes == MapSet.new([large])
    assert min_heap_size() == large
    Process.flag(:min_heap_size, own)
  end

  test "a process whose heap is limited to little is left alone" do
    own = min_heap_size()
    Process.flag(:max_heap_size, %{size: 100_000, kill: false, error_logger: false})
    sizes = @document |> BoundedXml.stream() |> Enum.reduce(MapSet.new(), &inside/2)
    assert sizes == MapSet.new([own])
  end

  test "records of fields, which take little, are collected once for some parts" do
    row = "<row n='1'><text>" <> String.duplicate("x", 4_000) <> "</text></row>"
    document = IO.iodata_to_binary(["<rows>", List.duplicate(row, 4_000), "</rows>"])

    collections =
      collections(fn ->
        4_000 = document |> BoundedXml.select("rows/row", fields: [n: "@n"]) |> Enum.count()
      end)

    assert collections < byte_size(document) / 262_144 * 0.75
  end

  defp collections(work) do
    counter = spawn_link(fn -> count_collections(0) end)
    :erlang.trace(self(), true, [:garbage_collection, {:tracer, counter}])
    work.()
    :erlang.trace(self(), false, [:garbage_collection])
    send(counter, {:count, self()})
    assert_receive {:collections, count}
    count
  end

  defp count_collections(count) do
    receive do
      {:trace, _pid, start, _info} when start in [:gc_minor_start, :gc_major_start] ->
        count_collections(count + 1)

      {:trace, _pid, _end, _info} ->
        count_collections(count)

      {:count, from} ->
        send(from, {:collections, count})
    end
  end

  defp raise_at(_event, 30_000), do: raise("enough")
  defp raise_at(_event, n), do: n + 1

  defp throw_at(_event, 30_000), do: throw(:enough)
  defp throw_at(_event, n), do: {:cont, n + 1}
end
