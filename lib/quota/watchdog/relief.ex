defmodule Quota.Watchdog.Relief do
  @moduledoc false
  # The first measure, which ends nothing: garbage collections of idle processes that grew, if the copy fits into half of what is left.
  #
  # It runs in a process of its own, and sends `{:relieved, [{pid, bytes}]}` to the watchdog: bytes that each collection gave back.

  alias Quota.Watchdog.Census.ProcessFigures

  # The number of processes that are collected, and milliseconds to wait for each.
  @collected 4
  @patience_ms 200
  # Bytes that a process has at least: a smaller one gives back little.
  @smallest 1024 * 1024
  # The longest mailbox of a process that is collected.
  @queued 16

  @doc """
  Starts a process that collects the first of `candidates`, which are sorted by growth, with `room` bytes left. Returns its pid, or nil if
  the process table is full.
  """
  def start(candidates, room) do
    server = self()

    pids =
      for %{kind: :process, pid: pid, bytes: bytes} <- candidates, bytes >= @smallest, do: pid

    {pid, _ref} =
      :erlang.spawn_opt(fn -> send(server, {:relieved, collect(pids, room)}) end, [
        :monitor,
        priority: :high
      ])

    pid
  rescue
    SystemLimitError -> nil
  end

  defp collect(pids, room) do
    pids |> Enum.take(@collected) |> Enum.flat_map(&collect_one(&1, room))
  end

  defp collect_one(pid, room) do
    # A collection moves the messages of a process into its heap, so one with many would grow.
    with %ProcessFigures{queue: queue} = before when queue <= @queued <-
           ProcessFigures.glance(pid),
         true <- before.young + before.old < div(room, 2),
         true <- collected?(pid),
         %ProcessFigures{} = afterwards <- ProcessFigures.glance(pid) do
      [{pid, max(before.bytes - afterwards.bytes, 0)}]
    else
      _ -> []
    end
  end

  defp collected?(pid) do
    ref = make_ref()
    :erlang.garbage_collect(pid, async: ref)

    receive do
      {:garbage_collect, ^ref, done} -> done
    after
      @patience_ms -> false
    end
  end
end
