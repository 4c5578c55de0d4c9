defmodule Quota.Overshoot do
  @moduledoc false
  # How far work passes its limit before it is stopped: a collection needs the old heap and the new one at
  # once, and a guard looks only so often. A pool that ignored it would promise memory that it does not have.

  # Percent of the limit by the OTP release from which it holds, newest first: the worst row of the table in
  # `guides/design_notes.md` that a limit covers, many binaries of 100 bytes on OTP 25 and parsers kept later, and ten more for
  # what single runs were over the medians, rounded up to ten. Measured with `bench/balloons.exs` on 2026-11-24, see
  # `bench/results/`.
  @percent [{29, 140}, {27, 140}, {25, 150}]

  @doc "Percent of its limit that work may take on this OTP release."
  def percent(release \\ Quota.Vm.release()) do
    {_from, percent} =
      Enum.find(@percent, List.last(@percent), fn {from, _} -> release >= from end)

    percent
  end

  @doc "Bytes to put aside for work with a limit of `limit` bytes."
  def charge(limit, percent), do: div(limit * percent + 99, 100)
end
