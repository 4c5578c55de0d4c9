defmodule BoundedXml.Nursery do
  @moduledoc false
  # Room on the heap of the process that enumerates for one batch of events, and a collection where the
  # batch has just been consumed, so that next to nothing is alive. Left to itself, the VM collects while
  # the batch is being made, which it then copies, and makes the heap as large as what survived, so that
  # the next one does not fit either. That was a fifth of the time of a dense document.
  #
  # Where more is alive (events that are kept, a large process dictionary, a full mailbox), collecting takes
  # longer than it saves: after a long collection the VM is left to itself for a while, after another one
  # for eight times as long.
  #
  # The process is somebody else's: it has its own heap size back whenever control returns to it.

  # A batch takes up to 16,000 words of real documents, and what is made of it needs room as well.
  @words 24_576

  # Of a process whose heap is limited, a batch must take but a small part.
  @least_limit 8 * @words

  # Small documents are not worth the trouble.
  @batches 3

  # How many batches to wait after a long collection, at first.
  @patience 24

  # With nothing alive it takes 1 to 2 us, and copying a whole batch 15 to 30 us.
  @long_us 10

  # `wait` counts batches down to the next collection; `patience` is how many to wait after a long one;
  # `own` is the process's `min_heap_size`, once that was changed.
  defstruct wait: @batches, patience: @patience, own: nil

  @doc "Makes room for the next batch, the last one being consumed."
  def collect(%{wait: wait} = nursery) when wait > 0, do: %{nursery | wait: wait - 1}

  def collect(%{own: nil} = nursery) do
    if limited?(),
      do: wait(nursery),
      else: collect(%{nursery | own: enlarge()})
  end

  def collect(nursery) do
    if collection_us() < @long_us, do: %{nursery | patience: @patience}, else: wait(nursery)
  end

  @doc "Gives the process its own heap size back."
  def leave(%{own: nil} = nursery), do: nursery

  def leave(%{own: words} = nursery) do
    Process.flag(:min_heap_size, words)
    %{nursery | own: nil}
  end

  defp wait(%{patience: patience} = nursery),
    do: %{nursery | wait: patience, patience: 8 * patience}

  defp collection_us do
    started = System.monotonic_time()
    :erlang.garbage_collect(self(), type: :minor)
    System.convert_time_unit(System.monotonic_time() - started, :native, :microsecond)
  end

  defp enlarge do
    words = Process.flag(:min_heap_size, @words)
    if words > @words, do: Process.flag(:min_heap_size, words)
    words
  end

  defp limited? do
    {:max_heap_size, %{size: words}} = Process.info(self(), :max_heap_size)
    words in 1..(@least_limit - 1)
  end
end
