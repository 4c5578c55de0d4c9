defmodule Quota.Pool.OvershootTest do
  use ExUnit.Case, async: true

  alias Quota.Pool.Overshoot

  test "every release has its figure, and others that of the nearest" do
    for release <- [25, 26, 27, 28, 29], do: assert(Overshoot.percent(release) in 101..300)
    assert Overshoot.percent() == Overshoot.percent(Bounded.Vm.release())
    assert Overshoot.percent(24) == Overshoot.percent(25)
    assert Overshoot.percent(99) == Overshoot.percent(29)
  end

  test "the guide says what a pool reserves" do
    figures = for release <- [25, 27, 29], do: "#{Overshoot.percent(release)} %"

    assert File.read!("guides/pools.md") =~
             "| **the pool reserves, of the limit** | #{Enum.join(figures, " | ")} |"
  end

  test "a charge is rounded up" do
    assert Overshoot.charge(100, 150) == 150
    assert Overshoot.charge(1, 101) == 2
  end
end
