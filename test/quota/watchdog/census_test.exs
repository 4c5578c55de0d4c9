defmodule Quota.Watchdog.CensusTest do
  # Alone, because others would keep it from running.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Quota.Watchdog.Census

  # Holds eight megabytes, and never waits.
  defp busy do
    pid = spawn(fn -> spin(Enum.to_list(1..500_000)) end)
    on_exit(fn -> Process.exit(pid, :kill) end)
    pid
  end

  defp spin([]), do: :ok
  defp spin(list), do: spin(list)

  defp look(census, number, calm) do
    Census.look(census, number, calm)
    receive do: ({:seen, ^number, summary} -> summary)
  end

  test "what a busy process has held for long has not grown, whether it ran at the pass or not" do
    pid = busy()
    Process.sleep(100)
    census = Census.start_link(64 * 1024 * 1024)
    # From its first answer on.
    eventually(fn -> assert grown(census, pid) < 1024 * 1024 end)
    for _ <- 1..10, do: assert(grown(census, pid) < 1024 * 1024)
  end

  # By a look after a pass of a calm node.
  defp grown(census, pid) do
    look(census, 1, true)
    Process.sleep(20)
    summary = look(census, 2, false)
    Enum.sum(for %{pid: ^pid, grown: bytes} <- summary.candidates, do: bytes)
  end
end
