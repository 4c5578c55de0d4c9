defmodule Bench.Escapes.Rows.Heap do
  # Terms on the heap of the work's own process.

  import Bench.Escapes.{Data, Row}
  import Bitwise, only: [<<<: 2]

  def rows, do: lists() ++ numbers() ++ text() ++ maps() ++ elsewhere()

  defp lists do
    [
      row(":lists.seq of 50 million", 1.5, fn -> length(:lists.seq(1, 50_000_000)) end),
      row("Enum.sort of 2 million", 1.5, fn ->
        Enum.to_list(1..2_000_000) |> Enum.map(&(-&1)) |> Enum.sort() |> length()
      end),
      row(":lists.duplicate of 50 million", 1.5, fn ->
        length(:lists.duplicate(50_000_000, 0))
      end),
      row(":erlang.make_tuple of 16 million", 1.5, fn ->
        tuple_size(:erlang.make_tuple(opaque(16_000_000), 0))
      end),
      row("20 tuples of a list of a million", 1.5, fn ->
        list = Enum.to_list(1..1_000_000)
        length(for _ <- 1..20, do: List.to_tuple(list))
      end),
      row(":erlang.binary_to_list of 60 MB", 1.5, fn ->
        length(:erlang.binary_to_list(:binary.copy("a", 60_000_000)))
      end),
      row(":queue of 20 million", 1.5, fn ->
        :queue.len(Enum.reduce(1..20_000_000, :queue.new(), &:queue.in/2))
      end)
    ]
  end

  defp numbers do
    [
      row("one integer of 64 MB", 1.5, fn -> is_integer(opaque(1) <<< (1 <<< 29)) end),
      row("200 integers of 1 MB", 1.5, fn ->
        length(for i <- 1..200, do: (opaque(1) <<< 8_000_000) + i)
      end),
      row("an integer of 40 KB as text", 1.0, [ends: :returns], fn ->
        byte_size(Integer.to_string(opaque(1) <<< 300_000))
      end)
    ]
  end

  defp text do
    [
      row(":unicode.characters_to_list of 30 MB", 1.5, fn ->
        length(:unicode.characters_to_list(:binary.copy("a", 30_000_000)))
      end),
      row("String.to_charlist of 30 MB", 1.5, fn ->
        length(String.to_charlist(:binary.copy("a", 30_000_000)))
      end),
      row("String.graphemes of 20 MB", 1.5, fn ->
        length(String.graphemes(:binary.copy("a", 20_000_000)))
      end),
      row("inspect of a shared list of 4 million, unlimited", 1.5, fn ->
        byte_size(inspect(shared(22), limit: :infinity, printable_limit: :infinity))
      end),
      row(":io_lib.format of a shared list of 4 million", 1.5, fn ->
        length(:io_lib.format("~w", [shared(22)]))
      end)
    ]
  end

  defp maps do
    [
      row("Map.new of 5 million", 1.5, fn -> map_size(Map.new(1..5_000_000, &{&1, &1})) end),
      row(":maps.from_list of a million pairs", 1.5, fn ->
        list = for i <- 1..1_000_000, do: {i, i}
        map_size(:maps.from_list(list))
      end),
      row(":maps.from_keys of 1.5 million", 1.5, fn ->
        map_size(:maps.from_keys(Enum.to_list(1..1_500_000), 0))
      end)
    ]
  end

  defp elsewhere do
    [
      row("the process dictionary: 5 million keys", 1.5, fn ->
        for i <- 1..5_000_000, do: Process.put(i, i)
        :ok
      end),
      row("the stack: recursion 100 million deep", 1.5, fn -> depth(100_000_000) end),
      row("a list in a process that limits itself", 1.5, [via: :put_limit], fn ->
        length(Enum.to_list(1..50_000_000))
      end),
      row(
        "4 quotas in a quota, each with a list of its own",
        1.6,
        [options: [count: [:children]]],
        fn ->
          parent = self()

          for _ <- 1..4 do
            spawn(fn ->
              Quota.run(Quota.mib(64), fn -> held(Enum.to_list(1..1_500_000), parent) end)
            end)
          end

          idle()
        end
      )
    ]
  end

  defp held(list, parent) do
    send(parent, :holding)
    idle()
    length(list)
  end

  defp depth(0), do: 0
  defp depth(n), do: 1 + depth(n - 1)
end
