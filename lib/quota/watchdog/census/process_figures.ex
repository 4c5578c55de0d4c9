defmodule Quota.Watchdog.Census.ProcessFigures do
  @moduledoc false
  # What one process holds, and what its next collection will take.
  #
  # A process that runs answers at the end of its timeslice, or of the collection or built-in function that it is in. So nobody who
  # must go on asks a running process: `ask/2` has another process ask it.

  alias Bounded.Vm

  defstruct [
    :pid,
    :at,
    :bytes,
    :queue,
    :parent,
    :call,
    :young,
    :block,
    :old,
    :old_block,
    :recent,
    :binaries,
    copy: 0,
    rate: 0.0,
    survival: 1.0
  ]

  @items [:garbage_collection_info, :message_queue_len, :initial_call, :parent]
  # Microseconds: a collection that comes sooner counts as taken.
  @soon_us 40_000
  # Microseconds: the growth of this time more counts with the collections that it causes.
  @later_us 20_000
  @copies 6
  # The rate of allocation is forgotten by a half in this time, and nothing counts that allocates less than this many bytes in a
  # microsecond.
  @half_life_us 30_000
  @shortest_us 2_000
  @slowest 1.0
  # What survives the next collection may be more than what survived the last.
  @margin 1.3

  @doc "The figures of a process that is not running, `:runs`, or nil when it is dead."
  def glance(pid) do
    case Process.info(pid, :status) do
      {:status, status} when status in [:running, :garbage_collecting] -> :runs
      {:status, _} -> of(pid)
      nil -> nil
    end
  end

  @doc "The figures of a process, which waits for its answer. nil when it is dead."
  def of(pid) do
    case :erlang.process_info(pid, @items) do
      [{_, info}, {_, queue}, {_, call}, {_, parent}] -> new(pid, info, queue, call, parent)
      :undefined -> nil
    end
  end

  @doc "Has another process ask for the figures and send `{:figures, pid, figures}` to the caller."
  def ask(pid), do: ask(pid, fn figures, _took -> {:figures, pid, figures} end)

  @doc "The same, with `{:baseline, pid, figures}`, if the answer takes at most `most_us` microseconds: it may have grown until then."
  def ask_soon(pid, most_us) do
    ask(pid, fn figures, took -> {:baseline, pid, if(took <= most_us, do: figures)} end)
  end

  @doc "The same, with what `message` makes of the figures and of the microseconds that the answer took. It runs in that process."
  def ask(pid, message) do
    caller = self()

    ask = fn ->
      began = now()
      figures = of(pid)
      send(caller, message.(figures, now() - began))
    end

    :erlang.spawn_opt(ask, priority: :max)
    :ok
  rescue
    # The process table is full.
    SystemLimitError -> :ok
  end

  defp now, do: System.monotonic_time(:microsecond)

  defp new(pid, info, queue, call, parent) do
    get = fn key -> info |> Keyword.get(key, 0) |> Vm.bytes() end
    {block, old_block} = {get.(:heap_block_size), get.(:old_heap_block_size)}
    binaries = get.(:bin_vheap_size) + get.(:bin_old_vheap_size)

    %__MODULE__{
      pid: pid,
      at: System.monotonic_time(:microsecond),
      bytes: block + old_block + get.(:mbuf_size) + binaries,
      queue: queue,
      parent: parent,
      call: call,
      young: get.(:heap_size) + get.(:stack_size),
      block: block,
      old: get.(:old_heap_size),
      old_block: old_block,
      recent: get.(:recent_size),
      binaries: binaries
    }
  end

  @doc """
  The figures with `copy`: bytes that the next collection will take beyond those in use, 0 unless it is near. `before` are the same
  process's figures of an earlier look.

  A collection copies what is live. What it was of the last one is known when the heap has been seen before and after it.
  """
  def foresee(figures, nil), do: figures

  def foresee(figures, before) do
    collected = used(figures) < used(before)
    survival = if collected, do: survival(figures, before), else: before.survival
    figures = %{figures | survival: survival}
    free = max(figures.block - figures.young, 0)
    elapsed = max(figures.at - before.at, 1)
    # Bytes in a microsecond. A process that allocates in bursts is not slow between two of them.
    faded = before.rate * :math.pow(0.5, min(elapsed / @half_life_us, 64))
    rate = max(grown(figures, before, collected) / max(elapsed, @shortest_us), faded)
    figures = %{figures | rate: rate}

    if rate > @slowest and free / rate < @soon_us,
      do: %{
        figures
        | copy: free + trunc((copied(figures, rate) + later(figures, rate, free)) * survival)
      },
      else: figures
  end

  defp used(figures), do: figures.young + figures.old

  defp survival(figures, before),
    do: min(used(figures) / max(used(before), 1) * @margin, 1.0)

  # What was allocated between the two looks, at least.
  defp grown(figures, before, collected) do
    cond do
      collected -> max(figures.young - figures.recent, 0)
      figures.block != before.block -> max(used(figures) - used(before), 0)
      true -> max(figures.young - before.young, 0)
    end
  end

  # A minor collection copies the young heap. Without room in the old heap for all of that, everything is copied, then or soon.
  defp copied(%{old_block: 0} = figures, _rate), do: figures.block

  defp copied(figures, rate) do
    if figures.old_block - figures.old < figures.block + rate * @soon_us,
      do: figures.block + figures.old,
      else: figures.block
  end

  # A heap grows by a fifth, and the VM keeps the segments of the heaps before for a while: a heap that grows by one byte takes six.
  defp later(figures, rate, free) do
    min(max(rate * @later_us - free, 0) * @copies, figures.block + figures.old_block)
  end
end
