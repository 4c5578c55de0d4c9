defmodule Quota.Watchdog.PaceTest do
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Pace

  @mib 1024 * 1024

  defp noted(samples) do
    Enum.reduce(samples, %Pace{}, fn {at, mib}, pace -> Pace.note(pace, mib * @mib, at) end)
  end

  test "measures steady growth, also from its beginning on" do
    calm = for at <- 0..96//4, do: {at, 100}
    grown = for at <- 0..200//4, do: {100 + at, 100 + div(at, 4)}
    assert_in_delta noted(calm ++ grown).rate / @mib, 250, 10

    # A third of the window is growth.
    assert_in_delta noted(calm ++ Enum.take(grown, 4)).rate / @mib, 70, 15
  end

  test "takes no step right after a late look for a trend" do
    assert noted([{0, 910}, {250, 910}, {253, 914}]).rate < 20 * @mib
    assert noted([{0, 910}, {40, 910}, {85, 910}, {88, 914}]).rate < 100 * @mib
  end

  test "tells how long it takes to take so much" do
    assert Pace.time_left(%Pace{rate: 2 * @mib}, 3 * @mib) == 1_500
    assert Pace.time_left(%Pace{rate: 2 * @mib}, -1) == 0
    assert Pace.time_left(%Pace{rate: 0}, 1) == :infinity
  end

  test "forgets growth that is over" do
    assert noted([{0, 100}, {4, 104}, {50, 104}, {60, 104}, {95, 104}]).rate == 0
  end
end
