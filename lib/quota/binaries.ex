defmodule Quota.Binaries do
  @moduledoc false
  # Counts each binary that a process holds once, where the VM counts every reference in full.

  alias Quota.{Figures, Vm}

  # Words per binary: on the heap of its holder at least, and in the answer that lists it.
  @held 7
  @listed 6
  # The list may take this part of the limit.
  @affordable 8
  @smallest 128 * 1024
  # A binary of less than this part of the limit counts with each reference: telling many small ones apart takes more
  # memory than they do.
  @told_apart 4096
  # Where it is asked for at every look, this part, were all of the heap references to binaries.
  @cheap 64
  # After so many looks at which it has not grown, a binary is not being appended to any more.
  @finished 3

  @doc """
  `{slack, largest, unlisted}`, in bytes. `slack` is what the VM counts too much: references beyond the first and, unless
  `shared`, binaries that others hold as well. `largest` is the largest binary that counts. `unlisted` is what is counted and not
  listed: from OTP 26 on a binary that is being made. All are 0 where there may be so many binaries that listing them would cost
  more than it saves.
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

  @doc "Bytes of the largest of the binaries listed that counts."
  def largest(binaries, shared) do
    own = if shared, do: binaries, else: own(binaries)
    Enum.reduce(own, 0, fn {_, size, _}, largest -> max(size, largest) end)
  end

  # What it refers to as often as is known of is held by nobody else.
  defp own(binaries) do
    references = Enum.frequencies_by(binaries, &elem(&1, 0))
    Enum.filter(binaries, fn {address, _, holders} -> holders <= references[address] end)
  end

  # Bytes that are not listed, and the binaries worth telling apart.
  defp listed(pid, limit) do
    case Figures.in_use(pid) do
      {used, counted} when div(used, @held) * @listed * @cheap <= limit ->
        large(pid, counted, limit)

      {used, counted} when div(used, @held) * @listed <= limit ->
        apart(fn -> large(pid, counted, limit) end, limit)

      _ ->
        nil
    end
  end

  defp large(pid, counted, limit) do
    with {:binary, binaries} <- Process.info(pid, :binary) do
      sum = Enum.reduce(binaries, 0, fn {_, size, _}, sum -> sum + size end)
      smallest = div(limit, @told_apart)
      {counted - sum, Enum.filter(binaries, fn {_, size, _} -> size >= smallest end)}
    end
  end

  # Where there may be so many that the list takes too much, the VM ends it before it does.
  defp apart(list, limit) do
    size = div(max(div(limit, @affordable), @smallest), Vm.bytes(1))

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
  end

  @doc """
  `{binaries, references to them, bytes}` of a process with this `garbage_collection_info`, or nil where binaries are not most of
  what it holds, or there may be so many that listing them would cost too much.
  """
  def census(pid, info, limit) do
    heap = Keyword.fetch!(info, :heap_size) + Keyword.fetch!(info, :old_heap_size)
    binaries = Keyword.fetch!(info, :bin_vheap_size) + Keyword.fetch!(info, :bin_old_vheap_size)

    with true <- binaries > heap and div(Vm.bytes(heap), @held) * @listed * @affordable <= limit,
         {:binary, listed} <- Process.info(pid, :binary) do
      unique = Enum.uniq_by(listed, fn {address, _size, _holders} -> address end)
      {length(unique), length(listed), unique |> Enum.map(&elem(&1, 1)) |> Enum.sum()}
    else
      _ -> nil
    end
  end

  @doc """
  Bytes to add for a binary that is being appended to, and what to hand in at the next look to know it by.

  Such a binary grows where it is, unless its process has moved to another scheduler since it last grew:
  then the VM copies it, and for that moment it exists twice.
  """
  def room(pid, heap, counted, limit, seen) do
    # Asking takes a timeslice of the work, for which there has to be room.
    with true <- counted > div(limit, 2) and (seen != nil or counted <= limit - div(limit, 8)),
         true <- div(heap, @held) * @listed * @cheap <= limit,
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

  # Up to OTP 25 the list leaves it out.
  defp appended(unlisted, _, _, limit, seen) when unlisted > div(limit, 2) do
    case seen do
      {:unlisted, ^unlisted, @finished} -> {0, seen}
      {:unlisted, ^unlisted, looks} -> {div(unlisted, 2), {:unlisted, unlisted, looks + 1}}
      _ -> {div(unlisted, 2), {:unlisted, unlisted, 0}}
    end
  end

  # Later it is listed with all that it may grow to, and known by that.
  defp appended(_, n, largest, limit, {n, grows, last})
       when (largest > last or (largest == last and grows)) and largest > div(limit, 2),
       do: {div(largest, 3), {n, true, largest}}

  defp appended(_, n, largest, _, _), do: {0, {n, false, largest}}

  @doc """
  Bytes of the binaries listed that the VM counts too much. Only what is listed is known: a binary that is being appended to, for
  one, is not, up to OTP 25.
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
