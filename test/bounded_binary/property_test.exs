defmodule BoundedBinary.PropertyTest do
  use ExUnit.Case, async: true

  import Bitwise, only: [<<<: 2]
  import Bounded.Test.Random

  # Random input of our own on every release; terms of PropEr's making as well where it is installed.
  @compile {:no_warn_undefined, [:proper, :proper_types]}
  # From Elixir 1.15 on, Mix hides what the project does not name.
  for path <- Path.wildcard("#{:code.lib_dir()}/proper-*/ebin"), do: Code.append_path(path)
  @proper? Code.ensure_loaded?(:proper)

  defp check(times, property) do
    for _ <- 1..times, do: property.()
  end

  test "copy/1 and copy/2 equal :binary.copy" do
    check(200, fn ->
      binary = bytes(600_000)
      assert BoundedBinary.copy(binary) == binary
      n = :rand.uniform(20) - 1
      small = bytes(70_000)
      assert BoundedBinary.copy(small, n) == :binary.copy(small, n)
    end)
  end

  test "slice/3 and slices/3 equal :binary.part/3, errors included" do
    check(300, fn ->
      binary = bytes(300_000)
      size = byte_size(binary)
      positions = for _ <- 1..:rand.uniform(30), do: {any(size), any(size) - any(size)}

      expected = attempt(fn -> for {at, len} <- positions, do: :binary.part(binary, at, len) end)
      assert attempt(fn -> BoundedBinary.slices(binary, positions) end) == expected
      assert attempt(fn -> BoundedBinary.slices(binary, positions, shared: true) end) == expected

      for {at, len} <- positions do
        assert attempt(fn -> BoundedBinary.slice(binary, at, len) end) ==
                 attempt(fn -> :binary.part(binary, at, len) end)
      end

      valid = for {at, len} <- positions, at in 0..size and (at + len) in 0..size, do: {at, len}
      parts = for {at, len} <- valid, do: :binary.part(binary, at, len)
      assert BoundedBinary.slices(binary, valid) == parts
      assert BoundedBinary.slices(binary, valid, shared: true) == parts
    end)
  end

  @tag :native_speed
  test "slices/3 cuts small fields that lie near each other or far, of any binary" do
    check(300, fn ->
      body = :rand.bytes(200_000 + :rand.uniform(200_000))
      <<_::3, shifted::binary>> = <<0::3, body::binary>>
      reach = Enum.random([1_000, byte_size(body)])
      from = :rand.uniform(byte_size(body) - reach + 1) - 1
      fields = for _ <- 1..:rand.uniform(60), do: field(from, reach)
      expected = for {at, len} <- fields, do: :binary.part(body, at, len)

      for binary <- [body, shifted], shared <- [false, true] do
        assert BoundedBinary.slices(binary, fields, shared: shared) == expected
      end
    end)
  end

  test "concat/1 equals IO.iodata_to_binary/1" do
    check(200, fn ->
      iodata = iodata(4, 100_000)
      assert BoundedBinary.concat(iodata) == IO.iodata_to_binary(iodata)
    end)
  end

  test "inflate/2 equals :zlib, however the data was compressed" do
    check(60, fn ->
      bytes = bytes(300_000)
      data = Enum.random([bytes, String.duplicate(bytes, 3), :binary.copy("a", byte_size(bytes))])
      assert BoundedBinary.inflate(:zlib.gzip(data)) == data
      assert BoundedBinary.inflate(:zlib.compress(data)) == data
      assert BoundedBinary.inflate(:zlib.zip(data), format: :raw) == data
      members = :zlib.gzip(data) <> :zlib.gzip(bytes)
      assert BoundedBinary.inflate(members) == :zlib.gunzip(members)
    end)
  end

  test "to_term/2 equals :erlang.binary_to_term/1, and its estimate is never too small" do
    check(500, fn -> assert_decodes(random_term()) end)
  end

  test "compact/2 changes no term, and the second time does nothing" do
    body = :rand.bytes(10_000)

    check(500, fn ->
      assert_compacts(
        term(4, fn -> binary_part(body, :rand.uniform(5_000), :rand.uniform(5_000)) end)
      )
    end)
  end

  if @proper? do
    test "to_term/2 and compact/2 on PropEr's terms" do
      terms =
        :proper.forall(:proper_types.any(), fn term ->
          assert_decodes(term)
          assert_compacts(term)
          true
        end)

      assert :proper.quickcheck(terms, [:quiet, :noshrink, numtests: 300]) == true
    end
  end

  defp assert_decodes(term) do
    for options <- [[], [:compressed], [minor_version: 2]] do
      assert BoundedBinary.to_term(:erlang.term_to_binary(term, options)) === term
    end

    <<131, _::binary>> = external = :erlang.term_to_binary(term)
    node = {Atom.to_string(node()), :erlang.system_info(:creation)}
    walked = Bounded.Native.binary_walk_term(external, {1, 1, 0}, 1 <<< 60, allow_all(), node)
    {:ok, decoded} = walked
    assert decoded >= :erts_debug.flat_size(:erlang.binary_to_term(external)) * 8
  end

  defp assert_compacts(term) do
    compact = BoundedBinary.compact(term)
    assert compact === term
    assert :erts_debug.same(BoundedBinary.compact(compact), compact)
    %{needed: needed, kept: kept} = BoundedBinary.retained(compact)
    assert kept <= 2 * needed + 64 * 1_000
  end

  defp allow_all, do: {true, true, true, true, true}

  defp random_term, do: term(4, fn -> bytes(200) end)

  # Some are heap binaries and some are not; some are given from their end.
  defp field(from, reach) do
    length = min(:rand.uniform(Enum.random([64, 300])) - 1, reach)
    start = from + :rand.uniform(reach - length + 1) - 1
    Enum.random([{start, length}, {start + length, -length}])
  end

  defp any(size), do: :rand.uniform(size + 3) - 2

  defp attempt(fun) do
    fun.()
  rescue
    ArgumentError -> :badarg
  end
end
