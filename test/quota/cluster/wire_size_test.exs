defmodule Quota.Cluster.WireSizeTest do
  use ExUnit.Case, async: true

  alias Quota.Cluster.WireSize

  @binary :binary.copy("x", 1_000)

  # The smallest limit, in steps of ten bytes, at which the term fits.
  defp size(term), do: Enum.find(0..100_000//10, &WireSize.at_most?(term, &1))

  test "a binary counts for each reference to it" do
    assert size(@binary) in 1_000..1_200
    assert size([@binary, @binary]) in 2_000..2_400
    assert size({@binary, %{@binary => [@binary | @binary]}}) in 4_000..4_800
    large = Map.new(1..100, &{&1, @binary})
    refute WireSize.at_most?(large, 100_000)
    assert WireSize.at_most?(large, 120_000)
    # Not a literal, which a function does not close over.
    binary = :binary.copy(@binary)
    assert size(fn -> binary end) in 1_000..1_400
  end

  test "a result may take its limit, or where that is not enforced what a node can take" do
    assert WireSize.most(1_000, :enforce) == 1_000
    assert WireSize.most(1_000, :observe) == Quota.Run.FlatSize.deliverable()
  end

  test "a part of a binary counts for itself" do
    part = binary_part(@binary, 0, 100)
    assert size(part) in 100..300
    assert size(<<1::size(1), @binary::binary>>) in 1_000..1_300
  end

  test "other terms are those of a process here" do
    for term <- [1, :a, [], "x", {1, 2}, Enum.to_list(1..100), %{a: 1}, 1.0, self(), make_ref()] do
      assert size(term) == Enum.find(0..100_000//10, &Quota.Run.FlatSize.at_most?(term, &1))
    end
  end

  test "a term that shares grows without end, and is found too large at once" do
    shared = Enum.reduce(1..200, @binary, fn _, term -> [term | term] end)
    refute WireSize.at_most?(shared, 1_000_000)
  end
end
