defmodule Bounded.Test.Random do
  @moduledoc false
  # Random terms and binaries, from the seed that ExUnit prints. PropEr, where it is present, has its own.

  @dialyzer :no_improper_lists

  import Bitwise

  @doc "A term of at most `depth` levels, with binaries that `binary` makes."
  def term(depth, binary) do
    case :rand.uniform(if depth > 0, do: 11, else: 6) do
      1 -> :rand.uniform(1_000_000) - 500_000
      2 -> Enum.random([nil, true, :ok, :error, [], {}, ""])
      3 -> :rand.uniform() * 1.0e9
      4 -> :rand.uniform(1 <<< 100) - (1 <<< 99)
      n when n in 5..6 -> binary.()
      7 -> list(depth, binary) |> List.to_tuple()
      8 -> list(depth, binary)
      9 -> list(depth, binary) ++ term(0, binary)
      10 -> Map.new(list(depth, binary), &{&1, term(depth - 1, binary)})
      11 -> for _ <- 1..:rand.uniform(40), into: %{}, do: {term(0, binary), :rand.uniform(9)}
    end
  end

  @doc "Bytes of a random number of at most `max`, small ones as likely as large ones."
  def bytes(max), do: :rand.bytes(size(max))

  @doc "Iodata of at most `depth` levels."
  def iodata(depth, max) do
    case :rand.uniform(4) do
      1 when depth > 0 -> for _ <- 1..:rand.uniform(6), do: iodata(depth - 1, max)
      2 when depth > 0 -> [iodata(depth - 1, max) | bytes(max)]
      3 -> for _ <- 1..:rand.uniform(20), do: :rand.uniform(256) - 1
      _ -> bytes(max)
    end
    |> List.wrap()
  end

  defp size(max), do: trunc(:math.pow(max + 1, :rand.uniform())) - 1

  defp list(depth, binary), do: for(_ <- 1..:rand.uniform(5), do: term(depth - 1, binary))
end
