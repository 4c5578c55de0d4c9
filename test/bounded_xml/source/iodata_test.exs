defmodule BoundedXml.Source.IodataTest do
  use ExUnit.Case, async: true

  alias BoundedXml.Source.Iodata

  defp parts(iodata, max), do: iodata |> Iodata.new() |> all(max, [])

  defp all(rest, max, parts) do
    case Iodata.take(rest, max) do
      {:ok, {binary, offset, length}, rest} ->
        assert length in 1..max
        all(rest, max, [binary_part(binary, offset, length) | parts])

      :none ->
        Enum.reverse(parts)

      {:invalid, term} ->
        {:invalid, term}
    end
  end

  test "gives every byte once, in order, in parts of at most the size asked for" do
    big = :binary.copy("0123456789", 2_000)
    iodata = ["a", [?b, [[], "c" | "d"], ""], big, [[["e"]]], ?f | "g"]

    for max <- [1, 2, 7, 4_096, 65_536] do
      assert parts(iodata, max) |> IO.iodata_to_binary() == IO.iodata_to_binary(iodata)
    end
  end

  test "small pieces become one part, a large binary is used where it is" do
    assert parts(["a", "b", ?c], 100) == ["abc"]
    big = :binary.copy("x", 10_000)
    assert {:ok, {^big, 0, 5_000}, rest} = Iodata.take(Iodata.new([[], big]), 5_000)
    assert {:ok, {^big, 5_000, 5_000}, rest} = Iodata.take(rest, 8_000)
    assert Iodata.take(rest, 8_000) == :none
  end

  test "what does not start on a byte is cut, for each look at it would copy it whole" do
    <<_::3, unaligned::binary-size(400_000), _::bits>> = :binary.copy("0123456789", 40_001)
    assert {:ok, {part, 0, 65_536}, _rest} = Iodata.take(Iodata.new(unaligned), 65_536)
    assert :binary.referenced_byte_size(part) == 65_536

    for iodata <- [unaligned, ["a", unaligned, [unaligned | "b"]]], max <- [4_096, 65_536] do
      assert parts(iodata, max) |> IO.iodata_to_binary() == IO.iodata_to_binary(iodata)
    end
  end

  test "nothing, and what is no iodata" do
    assert parts([], 10) == []
    assert parts(["", [[]]], 10) == []
    assert parts(["a", :b], 1) == {:invalid, :b}
    assert parts(65, 10) == {:invalid, 65}
    assert parts([65 | 66], 10) == {:invalid, [65 | 66]}
    assert parts([256], 10) == {:invalid, 256}
    assert parts(%{}, 10) == {:invalid, %{}}
    assert parts([<<1::1>>], 10) == {:invalid, <<1::1>>}
  end

  test "no term of a source is mistaken for the reader's own state" do
    states =
      for iodata <- [["ab", "c"], [:binary.copy("x", 10_000)], :nothing] do
        case iodata |> Iodata.new() |> Iodata.take(1) do
          {:ok, _part, rest} -> rest
          {:invalid, _} -> Iodata.new(iodata)
        end
      end

    for term <- [
          {"<a/>", 0},
          {"<a/>", 3},
          {:status, 200},
          {nil, ["<a/>"]},
          {"<a/>", 0, 4} | states
        ] do
      assert parts(term, 10) == {:invalid, term}
      assert parts([term], 10) == {:invalid, term}
      assert parts([["a" | "b"], [term]], 1) == {:invalid, term}
    end
  end
end
