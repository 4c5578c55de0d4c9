defmodule Bench.Innocent.Kinds.Garbage do
  # Little is live, and much is dropped.

  import Bench.Innocent.{Kind, Work}

  @large 64 * 1_048_576

  def kinds do
    [
      kind("15 MB of list, and 30 binaries of 10 MB dropped", [limit: @large], fn ->
        list = Enum.to_list(1..900_000)
        for _ <- 1..30, do: drop(:binary.copy(<<1>>, 10_000_000))
        length(list)
      end),
      kind(
        "15 MB of list, and binaries of 10 MB dropped beside short lists",
        [limit: @large],
        fn ->
          list = Enum.to_list(1..900_000)

          for _ <- 1..30 do
            drop(:binary.copy(<<1>>, 10_000_000))
            drop(Enum.to_list(1..20_000))
          end

          length(list)
        end
      ),
      kind("20 MB of binaries, and 200 of 1 MB dropped", [limit: @large], fn ->
        kept = for _ <- 1..20, do: megabyte()
        for _ <- 1..200, do: drop(megabyte())
        length(kept)
      end),
      kind("32 MB of binaries, half of the limit, and 200 of 1 MB dropped", [limit: @large], fn ->
        kept = for _ <- 1..32, do: megabyte()
        for _ <- 1..200, do: drop(megabyte())
        length(kept)
      end),
      kind("300 binaries of 1 MB dropped", fn ->
        for _ <- 1..300, do: drop(megabyte())
      end),
      kind("300 times :crypto.strong_rand_bytes of 100 KB dropped", fn ->
        for _ <- 1..300, do: drop(:crypto.strong_rand_bytes(100_000))
      end),
      kind("100,000 binaries of 100 bytes dropped", fn ->
        for i <- 1..100_000, do: drop(:binary.copy(<<i::8>>, 100))
      end),
      kind("1000 lists of 1000 dropped", fn ->
        for _ <- 1..1_000, do: length(Enum.map(1..1_000, &{&1, &1}))
      end),
      kind("BoundedBinary.copy of 1 MB, 100 times dropped", fn ->
        source = megabyte()
        for _ <- 1..100, do: drop(BoundedBinary.copy(source))
      end)
    ]
  end

  defp megabyte, do: :binary.copy(<<1>>, 1_000_000)
end
