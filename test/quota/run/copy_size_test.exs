defmodule Quota.Run.CopySizeTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.{Emulated, Random}
  alias Quota.Run.{CopySize, FlatSize}

  defmodule Row do
    defstruct [:id, :name, author: %{loaded: false, field: :author, owner: __MODULE__}]
    def new(id), do: %__MODULE__{id: id, name: "row #{id}"}
  end

  @word :erlang.system_info(:wordsize)
  @kib 1024
  # 32 KB and 140 KB when they are copied.
  @settings Map.new(1..500, &{&1, [&1]})
  @table Enum.map(1..2_000, &{&1, "ten bytes."})

  # Bytes by which the heap of a process grows when it receives the term.
  defp received(term) do
    pid = spawn(fn -> receive(do: (:end -> :ok)) end)
    {:memory, before} = Process.info(pid, :memory)
    send(pid, term)
    {:memory, with_message} = Process.info(pid, :memory)
    send(pid, :end)
    with_message - before
  end

  # Calls the function in a process with a small heap, and in one with a large heap, of which not every term may be probed.
  defp small_and_large(fun) do
    small = Task.async(fun)

    large =
      Task.async(fn ->
        large = Enum.to_list(1..100_000)
        result = fun.()
        true = hd(large) == 1
        result
      end)

    assert Task.await(small, 60_000) == Task.await(large, 60_000)
  end

  test "the VM does not copy literals, and they do not count" do
    for term <- [@table, [1 | [2 | @table]], {@settings, @table}, %{key: @table}, [@settings]],
        do: assert(received(term) < @kib)

    small_and_large(fn ->
      for term <- [{@settings, @table}, %{key: @table}, [@settings], [[&length/1, @table]]] do
        refute FlatSize.at_most?(term, 2 * @kib)
        assert CopySize.at_most?(term, 2 * @kib)
      end
    end)
  end

  test "a literal in every row does not count" do
    for rows <- [for(id <- 1..1_000, do: {id, @settings}), for(id <- 1..1_000, do: Row.new(id))] do
      copied = received(rows)
      assert copied < 200 * @kib
      refute FlatSize.at_most?(rows, copied)

      small_and_large(fn ->
        refute CopySize.at_most?(rows, div(copied, 2))
        # The keys of a struct are a literal, too, and count.
        assert CopySize.at_most?(rows, div(3 * copied, 2))
      end)
    end
  end

  test "work may return and capture literals and rows that refer to them" do
    limit = Quota.kib(200)
    rows = for id <- 1..1_000, do: {id, @settings, Row.new(id)}

    for term <- [@table, rows],
        do: assert(Quota.run(limit, fn -> length(term) end) == length(term))

    assert Quota.run(limit, fn -> for id <- 1..1_000, do: {id, @settings} end) |> length() ==
             1_000

    assert Quota.run(Quota.kib(64), fn -> @table end) == @table
  end

  test "everything else counts at least what its copy takes" do
    for _ <- 1..Emulated.fewer(1_000) do
      # Made anew, so without literals.
      term = Random.term(4, fn -> Random.bytes(100) end)
      term = term |> :erlang.term_to_binary() |> :erlang.binary_to_term()
      words = :erts_debug.flat_size(term)
      refute words > 0 and CopySize.at_most?(term, (words - 1) * @word)
    end
  end

  @tag :native_speed
  test "the search ends, whatever is nested or shared" do
    # Made in each process: a spawn would copy what is shared.
    small_and_large(fn ->
      nested = Enum.reduce(1..100_000, @table, &{&1, &2})
      deep = Enum.reduce(1..5_000, @table, &[&2, &1])
      shared = Enum.reduce(1..100, [@settings], fn _, term -> [term, @table | term] end)
      wide = %{nested: Map.new(1..40, &{&1, shared}), work: &{&1, shared}}

      for term <- [nested, deep, shared, wide] do
        {microseconds, false} = :timer.tc(fn -> CopySize.at_most?(term, 64 * @kib) end)
        assert microseconds < 5_000_000
      end
    end)
  end
end
