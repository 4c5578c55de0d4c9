defmodule BoundedBinaryTest do
  use ExUnit.Case, async: true
  doctest BoundedBinary

  alias Bounded.Native
  import Bitwise
  import Bounded.Test.Accounts

  # Around every boundary: heap binary, plain binary, one call, several steps.
  @sizes [
    0,
    1,
    63,
    64,
    65,
    4_096,
    262_144,
    524_287,
    524_288,
    524_289,
    1_048_576,
    1_048_577
  ]

  describe "copy/1" do
    test "equals its argument and refers to nothing else" do
      for size <- @sizes do
        binary = binary_part(:rand.bytes(size + 2), 1, size)
        copy = BoundedBinary.copy(binary)
        assert copy == binary
        assert BoundedBinary.Referent.size(copy) in size..(size + 256)
      end
    end

    test "copies binaries that do not start on a byte" do
      for size <- @sizes do
        <<_::3, binary::binary>> = <<0::3, :rand.bytes(size)::binary>>
        assert BoundedBinary.copy(binary) == binary
      end
    end

    test "refuses odd positions behind more than one call cuts" do
      many = List.duplicate({0, 1}, 2_000)

      for rest <- [:a, [:a], [{:a, 1}], [{0, 4}], [{0, 1}, 1], [{0, 1} | {0, 1}], [{1 <<< 70, 1}]],
          shared <- [false, true] do
        assert_raise ArgumentError, fn ->
          BoundedBinary.slices("abc", many ++ rest, shared: shared)
        end
      end
    end

    test "refuses what is no binary" do
      for term <- [<<1::3>>, :atom, 1, ~c"list"] do
        assert_raise ArgumentError, fn -> BoundedBinary.copy(term) end
      end
    end

    test "charges more than 512 KiB to the account of the caller, until the last reference goes" do
      in_account(10_000_000, fn account ->
        plain = BoundedBinary.copy(:rand.bytes(524_288))
        assert reserved(account) == 0
        charged = BoundedBinary.copy(:rand.bytes(524_289))
        stepped = BoundedBinary.copy(:rand.bytes(2_000_000))
        assert reserved(account) in 2_524_289..2_525_000
        assert byte_size(plain) + byte_size(charged) + byte_size(stepped) == 3_048_577
      end)
      |> assert_refunded()
    end

    test "is refused before anything is allocated" do
      in_account(1_000_000, fn _account ->
        error =
          assert_raise Quota.ExceededError, fn -> BoundedBinary.copy(:rand.bytes(1_000_001)) end

        assert error.limit == 1_000_000
        assert error.requested > 1_000_000
      end)
      |> assert_refunded()
    end
  end

  describe "slice/3" do
    test "equals :binary.part/3, negative lengths included, and keeps nothing else alive" do
      body = :rand.bytes(700_000)

      for {position, length} <- [
            {0, 0},
            {10, 64},
            {700_000, -5},
            {100_000, 300_000},
            {0, 700_000}
          ] do
        slice = BoundedBinary.slice(body, position, length)
        assert slice == :binary.part(body, position, length)
        assert BoundedBinary.Referent.size(slice) in byte_size(slice)..(byte_size(slice) + 256)
      end
    end

    test "raises ArgumentError out of range" do
      for {position, length} <- [
            {0, 4},
            {4, 0},
            {1, 3},
            {-1, 1},
            {1, -2},
            {1 <<< 70, 1},
            {0, 1.0}
          ] do
        assert_raise ArgumentError, fn -> :binary.part("abc", position, length) end
        assert_raise ArgumentError, fn -> BoundedBinary.slice("abc", position, length) end
      end
    end
  end

  describe "copy/2" do
    test "is charged as a whole" do
      in_account(1_000_000, fn _ ->
        assert BoundedBinary.copy("abc", 100_000) == :binary.copy("abc", 100_000)
        assert_raise Quota.ExceededError, fn -> BoundedBinary.copy("abc", 1_000_000) end
        assert_raise Quota.ExceededError, fn -> BoundedBinary.copy("abc", 1 <<< 80) end
      end)
    end

    test "refuses what :binary.copy/2 refuses" do
      for {binary, n} <- [{"a", -1}, {"a", 1.0}, {"a", :b}, {<<1::3>>, 2}, {<<1::3>>, 1 <<< 20}] do
        assert_raise ArgumentError, fn -> BoundedBinary.copy(binary, n) end
      end
    end
  end

  describe "slices/3" do
    test "shares one block, or none" do
      body = :rand.bytes(100_000)
      positions = [{0, 100}, {50_000, 200}]
      assert [first, second] = BoundedBinary.slices(body, positions)
      assert :binary.referenced_byte_size(first) in 100..200
      assert :binary.referenced_byte_size(second) in 200..300
      assert [^first, ^second] = shared = BoundedBinary.slices(body, positions, shared: true)
      assert BoundedBinary.retained(shared).kept in 300..400
    end

    test "takes any number of pieces of any size, and binaries that do not start on a byte" do
      body = :rand.bytes(700_000)
      <<_::1, unaligned::binary>> = <<0::1, body::binary>>

      for binary <- [unaligned, body], shared <- [true, false] do
        for positions <- [[{0, 700_000}, {5, 300_000}], for(n <- 1..5_000, do: {n * 100, 70})] do
          expected = for {at, len} <- positions, do: :binary.part(binary, at, len)
          assert BoundedBinary.slices(binary, positions, shared: shared) == expected
        end
      end
    end

    test "keeps small pieces in the heap, beside a block or without one" do
      body = :rand.bytes(500_000)
      positions = [{7, 64}, {400_000, 65}, {9, 0}, {20, 100}]
      [small, large, "", _] = BoundedBinary.slices(body, positions, shared: true)
      assert BoundedBinary.retained(small).kept <= 64
      assert BoundedBinary.retained(large).kept in 165..200
      assert BoundedBinary.slices(body, [{7, 64}, {1, 3}], shared: true) |> kept() <= 67
      assert BoundedBinary.slices(body, [], shared: true) == []
    end

    test "refuses what is no list of positions" do
      no_lists = [:a, {0, 1}, [{1, 2} | :a], [{0, 1} | {0, 1}]]
      no_pairs = [[1], [{}], [{1}], [{0, 1, 2}], [[0, 1]], [{0, 1}, nil]]
      no_integers = [[{:a, 1}], [{0, 1.0}], [{0, []}], [{self(), 1}], [{"0", "1"}]]
      outside = [[{0, 300_001}], [{-1, 1}], [{1, -2}], [{1, 1 <<< 59}], [{-1 <<< 59, 1}]]
      outside = outside ++ [[{1, 1 <<< 70}], [{1 <<< 64, 1}], [{-1 <<< 63, -1}], [{1 <<< 60, 0}]]

      for positions <- no_lists ++ no_pairs ++ no_integers ++ outside,
          binary <- [huge(), "abc"],
          shared <- [false, true] do
        assert_raise ArgumentError, fn ->
          BoundedBinary.slices(binary, positions, shared: shared)
        end
      end

      assert_raise ArgumentError, fn -> BoundedBinary.slices("abc", [{0, 4}]) end
    end

    test "refuses what is no binary" do
      for no_binary <- [:a, [1], <<1::12>>, <<huge()::binary, 1::1>>],
          positions <- [[], [{0, 1}], [{0, 1}, {280_000, 10}], for(_ <- 1..2_000, do: {0, 1})] do
        assert_raise ArgumentError, fn -> BoundedBinary.slices(no_binary, positions) end
      end
    end

    test "refuses unknown options and what is no boolean" do
      assert_raise ArgumentError, ~r/unknown keys \[:share\]/, fn ->
        BoundedBinary.slices("abc", [], share: true)
      end

      assert_raise ArgumentError, ~r/:shared must be a boolean, got: 1/, fn ->
        BoundedBinary.slices("abc", [], shared: 1)
      end
    end
  end

  test "more than the system has is refused, and the node goes on" do
    for n <- [1 <<< 45, 1 <<< 60, 1 <<< 80] do
      assert_raise Quota.ExceededError, fn -> BoundedBinary.copy("ab", n) end
    end
  end

  describe "concat/1" do
    test "charges the result" do
      in_account(10_000_000, fn account ->
        binary =
          BoundedBinary.concat([:binary.copy("a", 70_000), ?b | :binary.copy("c", 600_000)])

        assert byte_size(binary) == 670_001
        assert {_, _, _, total, _} = Native.account_usage(account)
        assert total >= 670_001
      end)
      |> assert_refunded()
    end

    test "refuses what is no iodata" do
      for iodata <- [:a, [256], [-1], [[:a]], ["a" | ?b], [<<1::1>>]] do
        assert_raise ArgumentError, fn -> BoundedBinary.concat(iodata) end
      end
    end
  end

  # Larger than what a call looks at whole.
  defp huge, do: :binary.copy("x", 300_000)

  defp kept(term), do: BoundedBinary.retained(term).kept

  test "options that are no keyword list are refused clearly" do
    for opts <- [nil, :a, %{shared: true}, [1], [{:shared, true} | :a]],
        call <- [
          &BoundedBinary.slices("abc", [{0, 1}], &1),
          &BoundedBinary.split("a;b", ";", &1),
          &BoundedBinary.lines("a", &1),
          &BoundedBinary.read_file("mix.exs", &1),
          &BoundedBinary.inflate("", &1),
          &BoundedBinary.to_term("", &1),
          &BoundedBinary.term_to_binary("", &1),
          &BoundedBinary.compact("", &1)
        ] do
      assert_raise ArgumentError, ~r/must be a keyword list/, fn -> call.(opts) end
    end
  end
end
