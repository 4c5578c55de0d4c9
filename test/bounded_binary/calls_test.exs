defmodule BoundedBinary.CallsTest do
  # Measures calls of the whole node, and makes binaries of a gigabyte.
  use ExUnit.Case, async: false

  @moduletag :native_speed

  alias Bounded.Test.Calls

  @limit_ns 1_000_000

  defp longest_call(work) do
    once = fn ->
      measured =
        Calls.once(fn ->
          work.()
          :ok
        end)

      :erlang.garbage_collect()
      measured
    end

    Calls.measure(once).longest
  end

  defp check(size, works) do
    {longest, name} =
      works |> Enum.map(fn {name, work} -> {longest_call(work), name} end) |> Enum.max()

    IO.puts(
      "binaries of #{size} bytes: the longest NIF call took #{div(longest, 1_000)} us of CPU time (#{name})"
    )

    assert longest > 0 and longest < @limit_ns
  end

  defp works(size) do
    binary = :binary.copy("x", size)
    # Starts in the middle of a byte.
    <<_::4, unaligned::binary>> = <<0::4, binary::binary>>
    fields = for n <- 0..999, do: {n * div(size, 1_000), 100}
    large = for n <- 0..9, do: {n * div(size, 10), div(size, 10)}
    # The tag of a binary, one of a list of nils, and their ends.
    half = div(size, 2)
    terms = <<131, ?l, half::32, :binary.copy(<<?j>>, half)::binary, ?j>>

    [
      {"copy/1", fn -> BoundedBinary.copy(binary) end},
      {"copy/1, unaligned", fn -> BoundedBinary.copy(unaligned) end},
      {"copy/2", fn -> BoundedBinary.copy("0123456789", div(size, 10)) end},
      {"slice/3", fn -> BoundedBinary.slice(binary, 1, size - 1) end},
      {"slices/3, small", fn -> BoundedBinary.slices(binary, fields) end},
      {"slices/3, shared", fn -> BoundedBinary.slices(binary, fields, shared: true) end},
      {"slices/3, large", fn -> BoundedBinary.slices(binary, large, shared: true) end},
      {"slices/3, unaligned", fn -> BoundedBinary.slices(unaligned, fields) end},
      {"concat/1", fn -> BoundedBinary.concat([binary, "and", [binary]]) end},
      {"compact/2", fn -> BoundedBinary.compact({binary_part(binary, 0, 100), unaligned}) end},
      {"retained/1", fn -> BoundedBinary.retained([binary_part(binary, 0, 100), unaligned]) end},
      {"to_term/2",
       fn ->
         assert_raise BoundedBinary.DecodeError, fn ->
           BoundedBinary.to_term(terms, max_bytes: 4 * size)
         end
       end}
    ]
  end

  test "no call takes a millisecond" do
    for size <- [300_000, 1_048_576, 1_048_577, 40_000_000], do: check(size, works(size))
  end

  @tag :slow
  @tag timeout: 300_000
  test "not even for a gigabyte" do
    check(1_000_000_000, works(1_000_000_000))
  end
end
