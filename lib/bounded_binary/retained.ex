defmodule BoundedBinary.Retained do
  @moduledoc false
  # Compares the size of a term's binaries with the bytes that they keep alive. The VM does not report the block of
  # which a binary is a part, but lists the blocks of a process by address: the binary's address is inside its block.

  alias Bounded.Native
  alias BoundedBinary.{Referent, TermFold}

  # Maximum bytes between a block's address and its data: fields of the VM and, for binaries of this library, the charge.
  @header_bytes 256

  @page_bytes 4_096

  @doc "Returns `{needed, kept}` in bytes."
  def measure(term) do
    # Read before the fold, after which nothing may reference the term any more: its blocks could be freed.
    blocks = blocks()
    {in_heap, parts} = TermFold.fold(term, {0, %{}}, &collect/2)
    parts = parts |> Enum.map(fn {{at, size}, source} -> {at, size, source} end) |> Enum.sort()
    needed = parts |> Enum.map(&elem(&1, 1)) |> Enum.sum()
    kept = count_blocks(parts, blocks, nil, 0)
    {in_heap + needed, in_heap + kept}
  end

  # Parts of blocks are counted once, binaries in the heap each time.
  defp collect(bytes, {in_heap, parts}) do
    source = Referent.size(bytes)

    if Referent.in_heap?(bytes, source) do
      {in_heap + byte_size(bytes), parts}
    else
      {in_heap, Map.put(parts, {address(bytes), byte_size(bytes)}, source)}
    end
  end

  # The VM copies a binary that does not start on a byte boundary for the call, so only its first page is passed. (A part of at most
  # 64 bytes would always be copied.)
  defp address(bytes) when byte_size(bytes) <= @page_bytes, do: Native.binary_address(bytes)
  defp address(bytes), do: bytes |> binary_part(0, @page_bytes) |> Native.binary_address()

  defp blocks do
    {:binary, blocks} = Process.info(self(), :binary)
    blocks |> Enum.map(fn {at, size, _references} -> {at, size} end) |> Enum.uniq() |> Enum.sort()
  end

  # Both lists are sorted by address. `last` is the block that was counted last.
  defp count_blocks([], _blocks, _last, kept), do: kept

  defp count_blocks([{at, _, _} | _] = parts, [_, {next, _} = block | blocks], last, kept)
       when next <= at do
    count_blocks(parts, [block | blocks], last, kept)
  end

  defp count_blocks([{at, _, source} | parts], [{start, size} = block | _] = blocks, last, kept)
       when start <= at and at < start + size + @header_bytes do
    counted = if block == last, do: 0, else: source
    count_blocks(parts, blocks, block, kept + counted)
  end

  # Not a block of this process: a literal.
  defp count_blocks([{_, _, source} | parts], blocks, last, kept) do
    count_blocks(parts, blocks, last, kept + source)
  end
end
