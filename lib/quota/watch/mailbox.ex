defmodule Quota.Watch.Mailbox do
  @moduledoc false
  # Bytes of messages outside the heap of their receiver: all messages with `message_queue_data: :off_heap`, otherwise those that
  # came since its last collection.
  #
  # The VM adds them up one by one, in the receiver's timeslice. So a queue of more than 1,000 messages is measured again only when it has
  # grown by an eighth, or when twenty times the duration of the last measurement have passed. In between, each message counts as the
  # average of the last measurement.

  alias Bounded.Vm

  # The number of messages that take about as long to add up as the call itself.
  @cheap_length 1_000
  # Nanoseconds to add up one message. Measurements take at most one part in `@share` of the time.
  @message_ns 50
  @share 20
  # A mailbox that has grown by one part in this many is measured again.
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

  # By one question: the heap could grow before a second one is answered, and the growth would count as messages.
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
