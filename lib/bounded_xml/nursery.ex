defmodule BoundedXml.Nursery do
  @moduledoc false
  # Room on the heap of the process that enumerates for one batch of events, and a collection where the
  # batch has just been consumed, so that next to nothing is alive. Left to itself, the VM collects while
  # the batch is being made, which it then copies, and makes the heap as large as what survived, so that
  # the next one does not fit either. That was a fifth of the time of a dense document.
  #
  # The process is somebody else's: it has its own heap size back whenever control returns to it.

  # The largest batches of real documents take about 12,000 words.
  @words 16_384

  # What a limit on the heap is worth, a batch must be small in comparison.
  @least_limit 8 * @words

  # Small documents are not worth the trouble.
  @batches 3

  # Batches so far, or what the process had as its `min_heap_size`.
  @type t :: non_neg_integer | {:kept, non_neg_integer}

  @doc "Of an enumeration that begins, or begins again."
  @spec new() :: t
  def new, do: 0

  @doc "Makes room for the next batch, the last one being consumed."
  @spec collect(t) :: t
  def collect(batches) when is_integer(batches) and batches < @batches, do: batches + 1

  def collect(batches) when is_integer(batches) do
    if limited?(), do: batches, else: collect({:kept, enlarge()})
  end

  def collect({:kept, _words} = nursery) do
    :erlang.garbage_collect(self(), type: :minor)
    nursery
  end

  @doc "Gives the process its own heap size back."
  @spec leave(t) :: t
  def leave({:kept, words}) do
    Process.flag(:min_heap_size, words)
    new()
  end

  def leave(batches), do: batches

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
