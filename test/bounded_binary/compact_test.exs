defmodule BoundedBinary.CompactTest do
  use ExUnit.Case, async: true

  import BoundedBinary, only: [compact: 1, compact: 2, retained: 1]

  setup do
    body = :binary.copy(:rand.bytes(10_000))

    # A copy, for what is built by appending has room to spare. Larger than 64 bytes: smaller parts are copies already.
    {:ok, body: body, part: binary_part(body, 100, 100)}
  end

  defp source(binary), do: :binary.referenced_byte_size(binary)

  test "finds parts wherever they are", %{part: part} do
    terms = [
      part,
      [part],
      [1, [2 | part]],
      {1, part},
      {{}, {1, {part}}},
      %{key: part},
      %{part => 1},
      %{part => part, {part} => [part]},
      Map.new(1..100, &{&1, part}),
      Map.new(1..100, &{[&1 | part], %{}}),
      %URI{path: part},
      [key: [key: part]]
    ]

    for term <- terms do
      compact = compact(term)
      assert compact === term
      assert retained(compact).kept < 100 * 300
      assert :erts_debug.same(compact(compact), compact)
    end
  end

  test "a term with nothing to do is the same term", %{body: body} do
    for term <- [body, [body, 1, "x"], %{a: {body}}, Map.new(1..100, &{&1, body}), 1, :a, self()] do
      assert :erts_debug.same(compact(term), term)
    end
  end

  test "what does not change stays shared", %{part: part, body: body} do
    kept = [body, {body}]
    [new | rest] = compact([part, kept, kept])
    assert source(new) == 100
    assert Enum.all?(rest, &:erts_debug.same(&1, kept))
    assert :erts_debug.same(compact({kept, part}) |> elem(0), kept)
    assert :erts_debug.same(compact(%{a: kept, b: part}).a, kept)
  end

  test "copies from the ratio and the number of bytes on that it is told", %{body: body} do
    half = binary_part(body, 0, 5_000)
    more = binary_part(body, 0, 5_001)
    assert [5_000, 10_000] = Enum.map(compact([half, more]), &source/1)
    assert [5_000, 5_001] = Enum.map(compact([half, more], ratio: 1), &source/1)
    assert [10_000, 10_000] = Enum.map(compact([half, more], bytes: 5_001), &source/1)
    assert [10_000] = Enum.map(compact([half], ratio: 1.0e308), &source/1)
    assert [10_000] = Enum.map(compact([half], ratio: 10 ** 400, bytes: 10 ** 400), &source/1)
    assert_raise ArgumentError, ~r/:ratio must be/, fn -> compact(half, ratio: 0.5) end
    assert_raise ArgumentError, ~r/:bytes must be/, fn -> compact(half, bytes: 0) end
  end

  test "goes to any depth", %{part: part} do
    deep =
      Enum.reduce(1..300_000, part, fn n, term -> if rem(n, 2) == 0, do: {term}, else: [term] end)

    assert retained(deep).kept == 10_000
    assert retained(compact(deep)).kept == 100
  end

  test "retained/1 looks into closures, and compact/1 leaves them as they are", %{part: part} do
    closure = fn -> part end
    nested = fn -> [closure, 1] end
    assert retained(closure) == %{needed: byte_size(part), kept: 10_000}
    assert retained(%{callbacks: [nested]}) == %{needed: byte_size(part), kept: 10_000}
    assert retained(&byte_size/1) == %{needed: 0, kept: 0}
    assert compact([closure]) == [closure]
    assert [_, copy] = compact([closure, part])
    assert retained(copy) == %{needed: byte_size(part), kept: byte_size(part)}
    assert nested.() == [closure, 1]
  end

  test "retained/1 counts sources and parts once", %{body: body, part: part} do
    other = 5_000 |> :rand.bytes() |> :binary.copy() |> binary_part(0, 70)
    assert retained([part, part, body]) == %{needed: 10_100, kept: 10_000}
    assert retained({part, %{a: other}}) == %{needed: 170, kept: 15_000}
    assert retained(["abc", 1, ~c"abc"]) == %{needed: 3, kept: 3}
    assert retained([]) == %{needed: 0, kept: 0}
  end

  test "retained/1 sees through charged binaries" do
    charged = BoundedBinary.copy(:rand.bytes(200_000))
    assert %{needed: 100, kept: kept} = retained(binary_part(charged, 199_900, 100))
    assert kept in 200_000..200_256

    assert retained([binary_part(charged, 0, 100), binary_part(charged, 199_900, 100)]).kept ==
             kept
  end
end
