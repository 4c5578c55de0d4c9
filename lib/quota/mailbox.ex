defmodule Quota.Mailbox do
  @moduledoc false
  # Bytes of messages that wait outside the heap of the process that they were sent to: all of them with
  # `message_queue_data: :off_heap`, otherwise those that came since its last collection.
  #
  # The VM adds them up one by one, in the time of that process. So where many wait, it is asked when there are an eighth more,
  # or when what it took has paid for itself; between, each counts as much as those before did on average.

  # Asking for so many takes no longer than asking at all.
  @few 1_000
  # One costs about this much to add up, in nanoseconds, which may be a twentieth of all time.
  @nanoseconds 50
  @share 20
  @growth 8

  @doc "Bytes of the `queue` messages of a process with `heap` bytes of heap; nil when it is dead."
  def bytes(_pid, _heap, 0), do: 0

  def bytes(pid, heap, queue) do
    # The dictionary of the process that watches. One that looks at itself keeps its dictionary to itself.
    case pid != self() and Process.get(__MODULE__) do
      {^pid, counted, bytes, until} when queue > @few ->
        if queue < counted + div(counted, @growth) and now() < until,
          do: div(bytes * queue, counted),
          else: count(pid, heap, queue)

      _ ->
        count(pid, heap, queue)
    end
  end

  defp count(pid, heap, queue) do
    with {:memory, memory} <- Process.info(pid, :memory) do
      bytes = max(memory - heap, 0)
      until = now() + div(queue * @nanoseconds * @share, 1_000)
      if pid != self(), do: Process.put(__MODULE__, {pid, queue, bytes, until})
      bytes
    end
  end

  defp now, do: System.monotonic_time(:microsecond)
end
