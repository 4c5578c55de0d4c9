defmodule BoundedXml.HeapTuning do
  @moduledoc false
  # Enlarges the heap of the enumerating process to hold one batch of events, and collects after each batch was
  # consumed, when almost no data is live. Otherwise the VM collects while a batch is being built, copies that
  # batch, and sizes the heap to the survivors, so that the next batch does not fit either. That took a fifth of the
  # time of a dense document.
  #
  # With more live data (events that are kept, a large process dictionary, a full mailbox) a collection takes longer
  # than it saves. So after a long collection none is made for `@first_pause` batches, and after each further one for
  # eight times as many.
  #
  # The process belongs to the application, so it gets its own heap size back whenever control returns to it.

  # Words of heap. A batch takes up to 16,000 words with real documents, and its consumer needs heap as well.
  @heap_words 24_576

  # A process with a smaller `max_heap_size`, in words, is not changed: a batch should take only a small part of it.
  @min_limit_words 8 * @heap_words

  # Batches before the first collection: a small document needs none.
  @first_batches 3

  # Batches without a collection after the first long one.
  @first_pause 24

  # A longer collection is a long one. Without live data it takes 1 to 2 us; copying a whole batch takes 15 to 30 us.
  @long_us 10

  # `wait` counts the batches down to the next collection. `pause` is the number of batches to wait after a long
  # collection. `own` is the process's own `min_heap_size`, once that was changed.
  defstruct wait: @first_batches, pause: @first_pause, own: nil

  @doc "Whether the heap has room for a batch."
  def room?(%{own: own}), do: own != nil

  @doc "Makes room for the next batch when the last one was consumed."
  def collect(%{wait: wait} = tuning) when wait > 0, do: %{tuning | wait: wait - 1}

  def collect(%{own: nil} = tuning) do
    if limited?(),
      do: wait(tuning),
      else: collect(%{tuning | own: enlarge()})
  end

  def collect(tuning) do
    # After a pause, the first collection may be one of the whole heap, which takes long however little is live. The second shows
    # how much is live.
    if collection_us() < @long_us or collection_us() < @long_us,
      do: %{tuning | pause: @first_pause},
      else: wait(tuning)
  end

  @doc "Restores the heap size of the process."
  def leave(%{own: nil} = tuning), do: tuning

  def leave(%{own: words} = tuning) do
    Process.flag(:min_heap_size, words)
    %{tuning | own: nil}
  end

  defp wait(%{pause: pause} = tuning), do: %{tuning | wait: pause, pause: 8 * pause}

  defp collection_us do
    started = System.monotonic_time()
    :erlang.garbage_collect(self(), type: :minor)
    System.convert_time_unit(System.monotonic_time() - started, :native, :microsecond)
  end

  defp enlarge do
    words = Process.flag(:min_heap_size, @heap_words)
    if words > @heap_words, do: Process.flag(:min_heap_size, words)
    words
  end

  defp limited? do
    {:max_heap_size, %{size: words}} = Process.info(self(), :max_heap_size)
    words in 1..(@min_limit_words - 1)
  end
end
