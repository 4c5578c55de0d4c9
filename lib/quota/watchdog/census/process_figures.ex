defmodule Quota.Watchdog.Census.ProcessFigures do
  @moduledoc false
  # What one process holds, and what its next collection will take, in bytes.
  #
  # A running process answers at the end of its timeslice, or of the collection or built-in function that it is in. So a process that must
  # not wait never asks a running one: `ask/2` starts a process that does.
  #
  #   * `bytes`: heaps, messages outside of them, and binaries; `binaries`: the binaries alone
  #   * `young`, `old`: bytes in use in the young heap (with the stack) and in the old one; `block`, `old_block`: the size of each
  #   * `recent`: what survived the last collection in the young heap
  #   * `rate`: bytes that it allocates in a microsecond; `survival`: the part of the heap that survives a collection
  #   * `copy`: bytes that its next collection will take, see `foresee/2`

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
  # A collection that comes within this many microseconds counts as about to be made.
  @soon_us 40_000
  # The growth of this many microseconds more counts too, with the collections that it causes: a heap that grows by one byte takes six.
  @later_us 20_000
  @copies 6
  # The rate of allocation fades by half in this many microseconds.
  @half_life_us 30_000
  # Two looks at a process count as at least this far apart, so that one allocation is no high rate.
  @shortest_us 2_000
  # Bytes in a microsecond (1 MB/s). A process that allocates more slowly has no `copy`.
  @slowest 1.0
  # The next collection may leave this many times as much as the last one.
  @margin 1.3

  @doc "The figures of a process that is not running, `:runs`, or nil when it is dead."
  def glance(pid) do
    case Process.info(pid, :status) do
      {:status, status} when status in [:running, :garbage_collecting] -> :runs
      {:status, _} -> of(pid)
      nil -> nil
    end
  end

  @doc "The figures of a process, or nil when it is dead. Waits for its answer."
  def of(pid) do
    case :erlang.process_info(pid, @items) do
      [{_, info}, {_, queue}, {_, call}, {_, parent}] -> new(pid, info, queue, call, parent)
      :undefined -> nil
    end
  end

  @doc "Starts a process that asks for the figures and sends `{:figures, pid, figures}` to the caller, or nil as figures of a dead process."
  def ask(pid), do: ask(pid, fn figures, _took -> {:figures, pid, figures} end)

  @doc """
  The same, with `{:baseline, pid, figures}`. `figures` is also nil when the answer took more than `most_us` microseconds: the process may
  have grown meanwhile.
  """
  def ask_soon(pid, most_us) do
    ask(pid, fn figures, took -> {:baseline, pid, if(took <= most_us, do: figures)} end)
  end

  @doc "The same, with the result of `message`, called in that process with the figures and the microseconds that the answer took."
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
  The figures with `copy`: bytes that the next collection will take beyond those in use, 0 unless it comes within 40 ms. `before` are the
  figures of the same process at the look before, or nil.

  A collection copies live data. The share of the heap that is live is known once the heap was seen before and after a collection.
  """
  def foresee(figures, nil), do: figures

  def foresee(figures, before) do
    collected = used(figures) < used(before)
    survival = if collected, do: survival(figures, before), else: before.survival
    figures = %{figures | survival: survival}
    free = max(figures.block - figures.young, 0)
    elapsed = max(figures.at - before.at, 1)
    # The rate fades slowly: a process that allocates in bursts is not slow between two of them.
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

  # Bytes that were allocated between the two looks, at least.
  defp grown(figures, before, collected) do
    cond do
      collected -> max(figures.young - figures.recent, 0)
      figures.block != before.block -> max(used(figures) - used(before), 0)
      true -> max(figures.young - before.young, 0)
    end
  end

  # A minor collection copies the young heap into the old one. Without room there for all of it, everything is copied, then or soon after.
  defp copied(%{old_block: 0} = figures, _rate), do: figures.block

  defp copied(figures, rate) do
    if figures.old_block - figures.old < figures.block + rate * @soon_us,
      do: figures.block + figures.old,
      else: figures.block
  end

  # A full heap is copied into one a fifth larger, and the VM keeps the segment of the old one for a while: the new heap has six times the
  # bytes by which it grew.
  defp later(figures, rate, free) do
    min(max(rate * @later_us - free, 0) * @copies, figures.block + figures.old_block)
  end
end
