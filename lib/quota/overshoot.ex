defmodule Quota.Overshoot do
  @moduledoc false
  # How far work passes its limit before it is stopped: a collection needs the old heap and the new one at
  # once, and a guard looks only so often. A pool that ignored it would promise memory that it does not have.

  # Percent of the limit by the OTP release from which it holds, newest first: what growing lists, binaries of
  # 1 MB, flattening, mailboxes and counted tables stay under in the table of `bench/balloons.exs`. Some kinds go
  # further: binaries of 100 bytes reach 230 on OTP 25, appending to a binary 200 and listing one 160 on OTP 27.
  @percent [{25, 150}]

  @doc "Percent of its limit that work may take on this OTP release."
  def percent(release \\ Quota.Vm.release()) do
    {_from, percent} =
      Enum.find(@percent, List.last(@percent), fn {from, _} -> release >= from end)

    percent
  end

  @doc "Bytes to put aside for work with a limit of `limit` bytes."
  def charge(limit, percent), do: div(limit * percent + 99, 100)
end
