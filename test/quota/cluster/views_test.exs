defmodule Quota.Cluster.ViewsTest do
  use ExUnit.Case, async: true

  alias Quota.Cluster.Views

  @limit 100
  # Percent that a pool reserves of a limit, and what that makes of this one.
  @percent 150
  @charge 150

  defp view(fields) do
    defaults = %{at: 0, version: 1, size: 1_000, percent: @percent, open: true, waiting: 0}
    struct!(Views, Map.merge(defaults, Map.new(fields)))
  end

  defp table(views) do
    table = Views.new(__MODULE__)
    for {node, fields} <- views, do: Views.put(table, node, view(fields))
    table
  end

  defp chosen(table, allowed \\ :any, refused \\ []),
    do:
      for(_ <- 1..200, do: Views.choose(table, allowed, @limit, refused))
      |> Enum.uniq()
      |> Enum.sort()

  test "only nodes with room for the reservation are chosen" do
    table = table(a: [free: @charge - 1], b: [free: @charge], c: [free: 900, open: false])
    assert chosen(table) == [:b]
    assert chosen(table, [:a, :c, :unknown]) == [nil]
    assert chosen(table, [:b, :c]) == [:b]
    assert chosen(table, :any, [:b]) == [nil]
    assert chosen(table([])) == [nil]
  end

  test "the one of two with more room is chosen, and all but the fullest have their turn" do
    table = table(a: [free: 200], b: [free: 400], c: [free: 600], d: [free: 800])
    assert chosen(table) == [:b, :c, :d]
    # Equal ones as well.
    table = table(a: [free: 200], b: [free: 200], c: [free: 200])
    assert chosen(table) == [:a, :b, :c]
  end

  test "the only room among many nodes is found" do
    nodes = for n <- 1..500, do: {:"n#{n}", [free: 0]}
    table = table([{:room, [free: 500]} | nodes])
    assert chosen(table) == [:room]
    # Two nodes are looked at.
    assert nil in for(_ <- 1..50, do: Views.glance(table, :any, @limit, []))
    assert Views.glance(table, [:room], @limit, []) == :room
  end

  test "what callers take counts until the node tells, a caller is late, or a second has passed" do
    table = table(a: [free: 2 * @charge, at: 5])
    for _ <- 1..2, do: Views.debit(table, :a, @limit)
    assert [{:a, %{free: 0}}] = Views.all(table)
    assert chosen(table) == [nil]
    Views.credit(table, :a, @limit)
    assert chosen(table) == [:a]
    Views.settle(table)
    assert [{:a, %{free: 300}}] = Views.all(table)

    # A refusal from before the last view changes nothing.
    Views.correct(table, :a, view(free: 0, at: 4))
    assert [{:a, %{free: 300}}] = Views.all(table)
    Views.correct(table, :a, view(free: 10, open: false, at: 6))
    assert [{:a, %{free: 10, open: false}}] = Views.all(table)
    Views.debit(table, :a, @limit)
    assert [{:a, %{free: 0}}] = Views.all(table)
    Views.settle(table)
    assert [{:a, %{free: 10}}] = Views.all(table)
    Views.put(table, :a, view(free: 300, at: 7))
    assert [{:a, %{free: 300, open: true}}] = Views.all(table)
    Views.delete(table, :a)
    assert Views.all(table) == []
    assert chosen(table) == [nil]
    Views.debit(table, :a, @limit)
    Views.correct(table, :a, view(free: 10, at: 9))
    assert Views.all(table) == []
  end

  test "the shortest queue of two is chosen" do
    table = table(a: [free: 0, waiting: 9], b: [free: 0, waiting: 1])
    assert Views.shortest_queue(table, :any, []) == :b
    assert Views.shortest_queue(table, [:a], []) == :a
    assert Views.shortest_queue(table, :any, [:a, :b]) == nil
  end

  test "whether any whole pool is large enough" do
    table = table(a: [free: 0, size: @charge - 1], b: [free: 0, size: @charge])
    assert Views.fits?(table, :any, @limit)
    refute Views.fits?(table, [:a], @limit)
  end

  test "a table whose owner is dead has no nodes" do
    table = Task.await(Task.async(fn -> table(a: [free: 500]) end))
    assert Views.all(table) == []
    assert chosen(table) == [nil]
    assert Views.shortest_queue(table, :any, []) == nil
    assert Views.debit(table, :a, @limit) == :ok
  end
end
