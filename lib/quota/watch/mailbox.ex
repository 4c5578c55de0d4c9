defmodule Quota.Watch.Mailbox do
  @moduledoc false
  # Bytes of messages outside the heap of their receiver: all messages with `message_queue_data: :off_heap`, otherwise those that
  # came since its last collection.
  #
  # The VM adds them up one by one, in the receiver's own time. So a long queue is measured again when it has grown by an eighth,
  # or when the last measurement is a twentieth of the time since. In between, a message counts as the average of the last
  # measurement.

  # Messages that are added up in about the time of the call itself.
  @cheap_length 1_000
  # Nanoseconds to add up one message, and the part of all time that this may take.
  @message_ns 50
  @share 20
  @growth 8

  @doc "Bytes of the `queue` messages of a process with `heap` bytes of heap; nil when it is dead."
  def bytes(_pid, _heap, 0), do: 0

  def bytes(pid, heap, queue) do
    # Kept in the watcher's dictionary. A process that measures itself keeps nothing there.
    case pid != self() and Process.get(__MODULE__) do
      {^pid, counted, bytes, until} when queue > @cheap_length ->
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
      until = now() + div(queue * @message_ns * @share, 1_000)
      if pid != self(), do: Process.put(__MODULE__, {pid, queue, bytes, until})
      bytes
    end
  end

  defp now, do: System.monotonic_time(:microsecond)
end
