defmodule Quota.Pool.Overshoot do
  @moduledoc false
  # The memory that work takes above its limit before it is stopped: a collection needs the old heap and the new one at once,
  # and a guard measures only at intervals. A pool without this allowance would reserve more than it has.

  # Percent of the limit, by the first OTP release for which it holds, newest first. Each is the worst row of the table in
  # `guides/pools.md` (many binaries of 100 bytes), plus ten for the spread of single runs over the medians, rounded up to ten.
  # Measured with `bench/balloons.exs` on 2026-11-28, see `bench/results/`.
  @percent [{29, 180}, {27, 190}, {25, 200}]

  @doc "Returns the percentage of a limit that a pool reserves on this OTP release."
  def percent(release \\ Bounded.Vm.release()) do
    {_from, percent} =
      Enum.find(@percent, List.last(@percent), fn {from, _} -> release >= from end)

    percent
  end

  @doc "Returns the bytes to reserve for a limit of `limit` bytes."
  def charge(limit, percent), do: div(limit * percent + 99, 100)
end
