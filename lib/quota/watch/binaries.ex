defmodule Quota.Watch.Binaries do
  @moduledoc false
  # Counts each binary that a process references once. The VM counts every reference in full.

  alias Bounded.Vm
  alias Quota.Watch.ProcessStats

  # Minimum words of a reference to a binary on the heap, and words of its entry in the list of `Process.info(pid, :binary)`.
  @reference_words 7
  @entry_words 6
  # The list may take one part in this many of the limit.
  @list_share 8
  @smallest_list 128 * 1024
  # A binary smaller than one part in this many of the limit counts once for each reference: telling many small ones apart would take more
  # memory than they do.
  @distinct_share 4096
  # The list may take one part in this many of the limit if it is made at every poll, as if the whole heap were references.
  @poll_share 64
  # Polls without growth after which a binary is no longer taken for one that is being appended to.
  @steady_polls 3

  @doc """
  Returns `{slack, largest, unlisted}` in bytes. `slack` is what the VM counts too much: references after the first and, unless
  `shared`, binaries that other processes also reference. `largest` is the largest binary that counts. `unlisted` is counted by
  the VM but not listed: from OTP 26 on, a binary that is being made. All are 0 if a list could cost more than it saves.
  """
  def counted_once(pid, shared, limit) do
    case listed(pid, limit) do
      nil ->
        {0, 0, 0}

      {unlisted, binaries} ->
        unlisted = if Vm.counts_binaries?(), do: unlisted, else: 0
        {slack(binaries, shared), largest(binaries, shared), unlisted}
    end
  end

  @doc "Bytes of the largest listed binary that counts."
  def largest(binaries, shared) do
    own = if shared, do: binaries, else: own(binaries)
    Enum.reduce(own, 0, fn {_, size, _}, largest -> max(size, largest) end)
  end

  # The VM knows no more references than these to a binary that only this process references.
  defp own(binaries) do
    references = Enum.frequencies_by(binaries, &elem(&1, 0))
    Enum.filter(binaries, fn {address, _, holders} -> holders <= references[address] end)
  end

  # `{bytes that are not listed, binaries that are large enough to tell apart}`, or nil if the list could be too large.
  defp listed(pid, limit) do
    with {used, counted} <- ProcessStats.in_use(pid) do
      most = most_listed(used)
      list = fn -> large(pid, counted, limit) end

      cond do
        most * @poll_share <= limit -> list.()
        most <= limit -> apart(list, limit)
        true -> nil
      end
    end
  end

  # The most bytes that the list can take of a process with `heap` bytes of heap: as if all of them were references.
  defp most_listed(heap), do: div(heap, @reference_words) * @entry_words

  defp large(pid, counted, limit) do
    with {:binary, binaries} <- Process.info(pid, :binary) do
      sum = Enum.reduce(binaries, 0, fn {_, size, _}, sum -> sum + size end)
      smallest = div(limit, @distinct_share)
      {counted - sum, Enum.filter(binaries, fn {_, size, _} -> size >= smallest end)}
    end
  end

  # In a process of its own with a heap limit: the VM kills it if the list becomes too large.
  defp apart(list, limit) do
    size = div(max(div(limit, @list_share), @smallest_list), Vm.bytes(1))

    {_, ref} =
      :erlang.spawn_opt(fn -> exit({:listed, list.()}) end, [
        :monitor,
        priority: :high,
        max_heap_size: %{size: size, kill: true, error_logger: false}
      ])

    receive do
      {:DOWN, ^ref, _, _, {:listed, listed}} -> listed
      {:DOWN, ^ref, _, _, _} -> nil
    end
  rescue
    # The process table is full. Here the list may take as much as the limit, which is better than to kill work within its limit.
    SystemLimitError -> list.()
  end

  @doc """
  Returns `{binaries, references, bytes}` of a process with this `garbage_collection_info`, or nil if binaries are not most of
  its memory or the list could cost too much.
  """
  def census(pid, info, limit) do
    heap = Keyword.fetch!(info, :heap_size) + Keyword.fetch!(info, :old_heap_size)
    binaries = Keyword.fetch!(info, :bin_vheap_size) + Keyword.fetch!(info, :bin_old_vheap_size)

    with true <-
           binaries > heap and
             most_listed(Vm.bytes(heap)) * @list_share <= limit,
         {:binary, listed} <- Process.info(pid, :binary) do
      unique = Enum.uniq_by(listed, fn {address, _size, _holders} -> address end)
      {length(unique), length(listed), unique |> Enum.map(&elem(&1, 1)) |> Enum.sum()}
    else
      _ -> nil
    end
  end

  @doc """
  Returns the bytes to add for a binary that is being appended to, and the state to pass to the next call.

  Such a binary grows in place, unless its process has moved to another scheduler since it last grew. Then the VM copies it, and
  it exists twice for that moment.
  """
  def room(pid, heap, counted, limit, seen) do
    # The question takes a timeslice of the process, for which there must be room below the limit.
    with true <- counted > div(limit, 2) and (seen != nil or counted <= limit - div(limit, 8)),
         true <- most_listed(heap) * @poll_share <= limit,
         {:binary, binaries} <- Process.info(pid, :binary) do
      sizes = for {_, size, _} <- binaries, do: size

      appended(
        counted - Enum.sum(sizes),
        length(sizes),
        Enum.max(sizes, fn -> 0 end),
        limit,
        seen
      )
    else
      _ -> {0, seen}
    end
  end

  # Up to OTP 25 the list leaves out a binary that is being appended to.
  defp appended(unlisted, _, _, limit, seen) when unlisted > div(limit, 2) do
    case seen do
      {:unlisted, ^unlisted, @steady_polls} -> {0, seen}
      {:unlisted, ^unlisted, looks} -> {div(unlisted, 2), {:unlisted, unlisted, looks + 1}}
      _ -> {div(unlisted, 2), {:unlisted, unlisted, 0}}
    end
  end

  # From OTP 26 on it is listed with its capacity, and recognised by the growth of that.
  defp appended(_, n, largest, limit, {n, grows, last})
       when (largest > last or (largest == last and grows)) and largest > div(limit, 2),
       do: {div(largest, 3), {n, true, largest}}

  defp appended(_, n, largest, _, _), do: {0, {n, false, largest}}

  @doc """
  Bytes of the listed binaries that the VM counts too much. Up to OTP 25, a binary that is being appended to is not listed.
  """
  def slack(binaries, shared) do
    binaries
    |> Enum.reduce(%{}, fn {address, size, holders}, known ->
      Map.update(known, address, {size, holders, 1}, fn {_, _, own} ->
        {size, holders, own + 1}
      end)
    end)
    |> Enum.reduce(0, fn {_, {size, holders, own}}, sum ->
      references = if shared or holders <= own, do: own - 1, else: own
      sum + size * references
    end)
  end
end
