defmodule Bench.Escapes.Rows.Heap do
  # Terms on the heap of the work's own process.

  import Bench.Escapes.{Data, Row}
  import Bitwise, only: [<<<: 2]

  # Live data of half of the limit passes whatever garbage is beside it, so work is let a little over before it is
  # collected, and the collection copies what is live.
  @copy "collected before it is judged: what is live exists twice for that moment"
  @about "some 64 MiB are live at its peak: it may pass or not"
  @dictionary "its table is beside the heap, and doubles"
  @loop "few reductions for much memory: the VM ends it at its flag, 6 times the limit (on OTP 25 4 and the copy)"
  @flag [{25, 6.6}, {26, 6.2}]

  def rows, do: lists() ++ numbers() ++ text() ++ maps() ++ elsewhere()

  defp lists do
    [
      row(":lists.seq of 50 million", 1.6, fn -> length(:lists.seq(1, 50_000_000)) end),
      row(
        "Enum.sort of 2 million",
        2.5,
        [why: "62 MB are live at its peak: it may pass or not", ends: :either],
        fn ->
          Enum.to_list(1..2_000_000) |> Enum.map(&(-&1)) |> Enum.sort() |> length()
        end
      ),
      row("Enum.sort of 6 million", 1.6, fn ->
        Enum.to_list(1..6_000_000) |> Enum.map(&(-&1)) |> Enum.sort() |> length()
      end),
      row(":lists.duplicate of 50 million", 1.6, fn ->
        length(:lists.duplicate(50_000_000, 0))
      end),
      row(
        ":erlang.make_tuple of 16 million",
        4.0,
        [
          why:
            "one allocation of 1.9 times the limit, and its copy in the collection as the work ends"
        ],
        fn ->
          Process.put(:kept, :erlang.make_tuple(opaque(16_000_000), 0))
          :ok
        end
      ),
      row(
        ":erlang.make_tuple of 16 million, dropped",
        2.0,
        [why: "garbage as the work ends: it may pass or not", ends: :either],
        fn -> tuple_size(:erlang.make_tuple(opaque(16_000_000), 0)) end
      ),
      row("20 tuples of a list of a million", @flag, [why: @loop], fn ->
        list = Enum.to_list(1..1_000_000)
        length(for _ <- 1..20, do: List.to_tuple(list))
      end),
      row(":erlang.binary_to_list of 60 MB", 1.6, fn ->
        length(:erlang.binary_to_list(:binary.copy("a", 60_000_000)))
      end),
      row(":queue of 20 million", 1.6, fn ->
        :queue.len(Enum.reduce(1..20_000_000, :queue.new(), &:queue.in/2))
      end)
    ]
  end

  defp numbers do
    [
      row("one integer of 64 MB", 1.1, fn -> is_integer(opaque(1) <<< (1 <<< 29)) end),
      row("400 integers of 500 KB", @flag, [why: @loop], fn ->
        length(for i <- 1..400, do: (opaque(1) <<< 4_000_000) + i)
      end),
      row("an integer of 40 KB as text", 1.0, [ends: :returns], fn ->
        byte_size(Integer.to_string(opaque(1) <<< 300_000))
      end)
    ]
  end

  defp text do
    [
      row(":unicode.characters_to_list of 30 MB", 1.6, fn ->
        length(:unicode.characters_to_list(:binary.copy("a", 30_000_000)))
      end),
      row("String.to_charlist of 30 MB", 1.6, fn ->
        length(String.to_charlist(:binary.copy("a", 30_000_000)))
      end),
      row("String.graphemes of 20 MB", 3.0, [why: @copy], fn ->
        length(String.graphemes(:binary.copy("a", 20_000_000)))
      end),
      row("inspect of a shared list of 4 million, unlimited", 1.6, fn ->
        byte_size(inspect(shared(22), limit: :infinity, printable_limit: :infinity))
      end),
      row(":io_lib.format of a shared list of 4 million", 1.6, fn ->
        length(:io_lib.format("~w", [shared(22)]))
      end)
    ]
  end

  defp maps do
    [
      row("Map.new of 5 million", 2.2, [why: @copy], fn ->
        map_size(Map.new(1..5_000_000, &{&1, &1}))
      end),
      row(
        ":maps.from_list of a million pairs",
        2.5,
        [why: @about, ends: :either],
        fn ->
          list = for i <- 1..1_000_000, do: {i, i}
          map_size(:maps.from_list(list))
        end
      ),
      row(":maps.from_list of 3 million pairs", 2.2, [why: @copy], fn ->
        list = for i <- 1..3_000_000, do: {i, i}
        map_size(:maps.from_list(list))
      end),
      row(":maps.from_keys of 1.5 million", 2.5, [why: @about, ends: :either], fn ->
        map_size(:maps.from_keys(Enum.to_list(1..1_500_000), 0))
      end),
      row(":maps.from_keys of 4 million", 2.5, [why: @copy], fn ->
        map_size(:maps.from_keys(Enum.to_list(1..4_000_000), 0))
      end)
    ]
  end

  defp elsewhere do
    [
      row("the process dictionary: 5 million keys", 2.0, [why: @dictionary], fn ->
        for i <- 1..5_000_000, do: Process.put(i, i)
        :ok
      end),
      row("the stack: recursion 100 million deep", 3.0, [why: @copy], fn -> depth(100_000_000) end),
      row("a list in a process that limits itself", 2.2, [why: @copy, via: :put_limit], fn ->
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
