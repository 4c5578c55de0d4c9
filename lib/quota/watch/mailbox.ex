defmodule Quota.Watch.Mailbox do
  @moduledoc false
  # Bytes of messages outside the heap of their receiver: all messages with `message_queue_data: :off_heap`, otherwise those that
  # came since its last collection.
  #
  # The VM adds them up one by one, in the receiver's own time. So a long queue is measured again when it has grown by an eighth,
  # or when the last measurement is a twentieth of the time since. In between, a message counts as the average of the last
  # measurement.

  alias Bounded.Vm

  # Messages that are added up in about the time of the call itself.
  @cheap_length 1_000
  # Nanoseconds to add up one message, and the part of all time that this may take.
  @message_ns 50
  @share 20
  @growth 8

  @doc "Bytes of the `queue` messages of a process that are outside its heap; nil when it is dead."
  def bytes(_pid, 0), do: 0

  def bytes(pid, queue) do
    # Kept in the watcher's dictionary. A process that measures itself keeps nothing there.
    case pid != self() and Process.get(__MODULE__) do
      {^pid, counted, bytes, until} when queue > @cheap_length ->
        if queue < counted + div(counted, @growth) and now() < until,
          do: div(bytes * queue, counted),
          else: count(pid, queue)

      _ ->
        count(pid, queue)
    end
  end

  @doc """
  Whether the messages that `bytes/2` has just counted take more than `limit` bytes. They are in use: no collection makes them fewer.
  False where they are too many to be counted at every poll.
  """
  def over?(_pid, 0, _limit), do: false

  def over?(pid, queue, limit) when queue <= @cheap_length,
    do: match?({^pid, ^queue, bytes, _until} when bytes > limit, Process.get(__MODULE__))

  def over?(_pid, _queue, _limit), do: false

  # By one question: the heap may have grown until a second one is answered, and would be taken for messages.
  defp count(pid, queue) do
    with [memory: memory, garbage_collection_info: info] <-
           Process.info(pid, [:memory, :garbage_collection_info]) do
      bytes = max(memory - heap(info), 0)
      until = now() + div(queue * @message_ns * @share, 1_000)
      if pid != self(), do: Process.put(__MODULE__, {pid, queue, bytes, until})
      bytes
    end
  end

  @doc "Bytes of the heap of a process with this `garbage_collection_info`, without messages that wait outside."
  def heap(info) do
    Vm.bytes(
      Keyword.fetch!(info, :old_heap_block_size) +
        Keyword.fetch!(info, :heap_block_size) + Keyword.fetch!(info, :mbuf_size)
    )
  end

  defp now, do: System.monotonic_time(:microsecond)
end
