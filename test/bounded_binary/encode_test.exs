defmodule BoundedBinary.EncodeTest do
  use ExUnit.Case, async: true

  alias BoundedBinary.{DecodeError, Encode}

  import Bitwise, only: [<<<: 2]

  @terms [
    0,
    255,
    256,
    -1,
    0x7FFF_FFFF,
    0x8000_0000,
    -0x8000_0000,
    -0x8000_0001,
    1 <<< 64,
    -(1 <<< 3_000),
    1.5,
    :atom,
    :größe,
    nil,
    "",
    "binary",
    <<5::3>>,
    [],
    ~c"string",
    [1, 2 | 3],
    [1, :a, "b"],
    [256],
    {},
    {1, {2}},
    %{},
    %{:a => 1, "b" => [%{}]},
    1..10
  ]

  test "what does not fit in the quota is refused before it is made" do
    parts = List.duplicate(:binary.copy("x", 100_000), 50)

    assert {:error, %Quota.ExceededError{} = error} =
             Quota.try_run(Quota.mib(1), fn -> byte_size(BoundedBinary.term_to_binary(parts)) end)

    assert error.category == :native
    assert byte_size(BoundedBinary.term_to_binary(parts)) > 5_000_000
  end

  test "gives what the VM gives, and what to_term/2 reads" do
    for term <- @terms ++ [@terms, Enum.to_list(1..70_000), List.to_tuple(Enum.to_list(1..300))] do
      encoded = BoundedBinary.term_to_binary(term)
      assert encoded == :erlang.term_to_binary(term)
      assert BoundedBinary.to_term(encoded) == term

      assert term |> BoundedBinary.term_to_binary(compressed: 9) |> BoundedBinary.to_term() ==
               term
    end

    map = Map.new(1..100, &{&1, &1})

    assert BoundedBinary.term_to_binary(map, deterministic: true) |> BoundedBinary.to_term() ==
             map
  end

  test "max_bytes is exact for data" do
    for term <- @terms ++ [@terms, List.duplicate(97, 65_535), List.duplicate(97, 65_536)],
        size = byte_size(:erlang.term_to_binary(term)) do
      assert byte_size(BoundedBinary.term_to_binary(term, max_bytes: size)) == size

      if size > 1,
        do:
          assert_raise(DecodeError, fn ->
            BoundedBinary.term_to_binary(term, max_bytes: size - 1)
          end)
    end
  end

  test "identifiers and functions never take more than is counted" do
    captured = String.duplicate("x", 1_000)

    for term <- [self(), make_ref(), hd(Port.list()), &String.length/1, fn -> captured end] do
      assert Encode.run(term, 10_000, []) == :erlang.term_to_binary(term)
      assert BoundedBinary.term_to_binary(List.duplicate(term, 100)) |> byte_size() > 100
    end
  end

  test "a shared term is refused at once, by the option or by the quota" do
    shared = Enum.reduce(1..60, [1], fn _, list -> [list | list] end)

    assert_raise DecodeError, ~r/more than 1000 bytes/, fn ->
      BoundedBinary.term_to_binary(shared, max_bytes: 1_000)
    end

    error =
      assert_raise Quota.ExceededError, fn ->
        Quota.run(Quota.mib(4), fn ->
          shared = Enum.reduce(1..60, [1], fn _, list -> [list | list] end)
          BoundedBinary.term_to_binary(shared, max_bytes: :infinity)
        end)
      end

    assert error.category == :native
  end

  test "many references to one binary are refused before they are written" do
    error =
      assert_raise Quota.ExceededError, fn ->
        Quota.run(Quota.mib(16), fn ->
          page = :binary.copy("x", 1_000_000)
          BoundedBinary.term_to_binary(List.duplicate(page, 1_000), max_bytes: :infinity)
        end)
      end

    assert error.limit == Quota.mib(16)
  end

  test "refuses options that make no sense" do
    assert_raise ArgumentError, ~r/:compressed must be a level/, fn ->
      BoundedBinary.term_to_binary(1, compressed: 10)
    end

    assert_raise ArgumentError, ~r/:deterministic must be a boolean/, fn ->
      BoundedBinary.term_to_binary(1, deterministic: 1)
    end

    assert_raise ArgumentError, ~r/:max_bytes must be/, fn ->
      BoundedBinary.term_to_binary(1, max_bytes: -1)
    end
  end
end
