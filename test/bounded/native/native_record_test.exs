defmodule Bounded.NativeRecordTest do
  # Measures time limits of work that would never end.
  use ExUnit.Case, async: false

  alias Bounded.NativeRecord

  @moduletag skip: unless(NativeRecord.supported?(), do: "OTP 29 brought native records")
  @moduletag :tmp_dir

  @source """
  -module(bounded_native_record).
  -export([make/2, shared/1]).
  -record #pair{left, right}.
  make(Left, Right) -> #pair{left = Left, right = Right}.
  shared(0) -> #pair{left = 1, right = 2};
  shared(N) -> Inner = shared(N - 1), #pair{left = Inner, right = Inner}.
  """

  # Elixir has no syntax for them.
  setup %{tmp_dir: dir} do
    path = Path.join(dir, "bounded_native_record.erl")
    File.write!(path, @source)
    {:ok, module, code} = :compile.file(to_charlist(path), [:binary])
    {:module, ^module} = :code.load_binary(module, to_charlist(path), code)
    on_exit(fn -> :code.delete(module) && :code.purge(module) end)
    body = :binary.copy(:rand.bytes(10_000))
    {:ok, body: body, part: binary_part(body, 0, 100)}
  end

  defp make(left, right), do: apply(:bounded_native_record, :make, [left, right])
  defp shared(levels), do: apply(:bounded_native_record, :shared, [levels])

  test "is told from every other kind of term" do
    assert NativeRecord.native_record?(make(1, 2))

    for other <- [1, 1.5, :a, "a", <<1::1>>, [], [1], {}, {:pair, 1, 2}, %{}, self(), make_ref()] do
      refute NativeRecord.native_record?(other)
    end

    assert NativeRecord.values(make(1, "x")) == [1, "x"]
    assert NativeRecord.replace(make(1, "x"), [2, "y"]) == make(2, "y")
  end

  test "a result of records that share is refused in time" do
    assert {:error, %{category: :result}} = Quota.try_run(Quota.mib(64), fn -> shared(40) end)

    assert {:error, %{category: :result}} =
             Quota.try_run(Quota.mib(8), fn -> [a: {shared(40)}] end)

    assert {:ok, result} = Quota.try_run(Quota.mib(8), fn -> shared(4) end)
    assert result == shared(4)
  end

  test "what a function captures is measured as well" do
    record = shared(40)

    assert {:error, %{category: :captures}} =
             Quota.try_run(Quota.mib(64), fn -> is_list(record) end)
  end

  test "counts no less than the VM does" do
    for record <- [make(1, 2), make(make([1, 2], %{}), "abc"), shared(5)] do
      words = :erts_debug.flat_size(record)
      refute Quota.Run.FlatSize.at_most?(record, (words - 1) * 8)
      assert Quota.Run.FlatSize.at_most?(record, 2 * words * 8)
    end
  end

  test "binaries in records are found, and replaced by copies of their own", context do
    %{part: part} = context
    record = make([part], {part, 1})
    assert BoundedBinary.retained(record) == %{needed: 100, kept: 10_000}
    compact = BoundedBinary.compact(%{key: record})
    assert compact == %{key: record}
    [copy] = compact.key |> NativeRecord.values() |> hd()
    assert :binary.referenced_byte_size(copy) == 100
    small = make(1, "x")
    assert :erts_debug.same(BoundedBinary.compact(small), small)
  end

  test "are decoded, counted first" do
    record = make([1.5, "x"], make(1, nil))

    for options <- [[], [:compressed]], term <- [record, [record, record]] do
      assert BoundedBinary.to_term(:erlang.term_to_binary(term, options)) == term
    end

    binary = :erlang.term_to_binary(List.duplicate(make(1, 2), 1_000))
    bytes = :erts_debug.flat_size(List.duplicate(make(1, 2), 1_000)) * 8

    assert_raise BoundedBinary.DecodeError, ~r/max_bytes/, fn ->
      BoundedBinary.to_term(binary, max_bytes: bytes - 1)
    end

    assert length(BoundedBinary.to_term(binary, max_bytes: 2 * bytes)) == 1_000
  end
end
