defmodule Quota.Run.FlatSizeTest do
  use ExUnit.Case, async: true

  import Bitwise, only: [<<<: 2]

  alias Bounded.Test.{Emulated, Random}
  alias Quota.Run.FlatSize

  @word :erlang.system_info(:wordsize)
  # The smallest number of words in which the term fits.
  defp words(term), do: Enum.find(0..1_000, &FlatSize.at_most?(term, &1 * @word))
  defp flat(term), do: :erts_debug.flat_size(term)
  # What maps of more than 32 keys and functions may count, and an empty map.
  defp most(term), do: div(5 * flat(term), 4) + 12

  # Not two variables of one value, which the compiler makes one.
  defp closure(left, right), do: fn -> {left, right} end

  test "a term of lists, tuples, maps and leaves fits in exactly the words of its copy" do
    exact = [1, :a, [], {}, 1.5, "", "text", 1 <<< 70, self(), make_ref(), [1], [:a | 2]]
    exact = exact ++ [%{a: 1}, %{"a" => [1], b: %{c: 2.5}}, Map.new(1..32, &{&1, {&1}})]
    exact = exact ++ [{1}, {1, 2.5}, {1, [2], 3}, {1, 2, 3, {4}}, [[1, "x"], [{:a}], 1 <<< 59]]
    for term <- exact, do: assert(words(term) == flat(term))
    for term <- exact, do: assert(words([term, 1, term]) == flat([term, 1, term]))
  end

  test "no term counts for less than its copy takes, and few for more" do
    for _ <- 1..Emulated.fewer(2_000) do
      term = Random.term(4, fn -> Random.bytes(100) end)
      words = flat(term)
      refute words > 0 and FlatSize.at_most?(term, (words - 1) * @word)
      assert FlatSize.at_most?(term, most(term) * @word)
    end
  end

  test "a large map and a function count for no less than their copies" do
    maps =
      for size <- [0, 33, 35, 500, 5_000], do: Map.new(Enum.take(1..5_000, size), &{&1, [&1]})

    for term <- [closure(1.5, [2]), (&length/1) | maps] do
      assert FlatSize.at_most?(term, most(term) * @word)
      refute FlatSize.at_most?(term, (flat(term) - 1) * @word)
    end
  end

  test "a short binary may be a part of another one, and a reference to bytes outside the heap" do
    bytes = :binary.copy("x", 1_000)
    parts = for <<part::binary-10 <- bytes>>, do: part
    bits = for <<part::bitstring-9 <- bytes>>, do: part

    exact = [Enum.take(parts, 50), Enum.take(bits, 50), [:rand.bytes(8), <<1::9>>, bytes]]
    for term <- exact, do: assert(words(term) == flat(term))
  end

  test "a shared term is visited no longer than its limit, whatever shares it" do
    for share <- [
          &[&1 | &1],
          &[&1, &1],
          &{&1, &1},
          &{1, 2, &1, &1},
          &%{a: &1, b: &1},
          &%{&1 => &1},
          &Map.new(1..40, fn key -> {key, &1} end),
          &closure(&1, &1)
        ] do
      shared = Enum.reduce(1..40, [1], fn _, term -> share.(term) end)
      {microseconds, false} = :timer.tc(fn -> FlatSize.at_most?(shared, 100_000) end)
      assert microseconds < 1_000_000
    end
  end
end
