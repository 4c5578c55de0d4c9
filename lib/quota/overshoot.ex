defmodule Quota.Overshoot do
  @moduledoc false
  # How far work passes its limit before it is stopped: a collection needs the old heap and the new one at
  # once, and a guard looks only so often. A pool that ignored it would promise memory that it does not have.

  # Percent of the limit by the OTP release from which it holds, newest first. `bench/balloons.exs` measures the
  # peak resident memory of work that balloons at 64 MiB: 150 covers every usual kind (growing lists, binaries of
  # 1 MB, appending, flattening, mailboxes, counted tables). Binaries of 100 bytes reach 230 on OTP 25.
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
