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

  defp raise_at(_event, 30_000), do: raise("enough")
  defp raise_at(_event, n), do: n + 1

  defp throw_at(_event, 30_000), do: throw(:enough)
  defp throw_at(_event, n), do: {:cont, n + 1}
end
