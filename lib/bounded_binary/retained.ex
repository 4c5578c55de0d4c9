defmodule BoundedBinary.Retained do
  @moduledoc false
  # What the binaries of a term need against what they keep alive. Which of them are parts of one block
  # the VM does not tell of a term, but it lists the blocks of a process by address: a part lies within.

  alias Bounded.Native
  alias BoundedBinary.{Source, Walk}

  # Between a block's address and its bytes stand the VM's fields and, for ours, the charge.
  @header 256

  @page 4_096

  @doc "`{needed, kept}` in bytes."
  def measure(term) do
    # Before the walk: after it nothing may refer to the term, and its blocks might be gone.
    blocks = blocks()
    {in_heap, parts} = Walk.fold(term, {0, %{}}, &collect/2)
    parts = parts |> Enum.map(fn {{at, size}, source} -> {at, size, source} end) |> Enum.sort()
    needed = parts |> Enum.map(&elem(&1, 1)) |> Enum.sum()
    kept = count_blocks(parts, blocks, nil, 0)
    {in_heap + needed, in_heap + kept}
  end

  # A binary that is in the term more than once is needed once.
  defp collect(bytes, {in_heap, parts}) do
    source = Source.size(bytes)

    if Source.in_heap?(bytes, source) do
      {in_heap + byte_size(bytes), parts}
    else
      {in_heap, Map.put(parts, {address(bytes), byte_size(bytes)}, source)}
    end
  end

  # Looking at a binary that does not start on a byte copies it: a page of it will do. (A new part of at
  # most 64 bytes would be a copy in any case.)
  defp address(bytes) when byte_size(bytes) <= @page, do: Native.binary_address(bytes)
  defp address(bytes), do: bytes |> binary_part(0, @page) |> Native.binary_address()

  defp blocks do
    {:binary, blocks} = Process.info(self(), :binary)
    blocks |> Enum.map(fn {at, size, _references} -> {at, size} end) |> Enum.uniq() |> Enum.sort()
  end

  # Both lists are in the order of addresses; `last` is the block counted last.
  defp count_blocks([], _blocks, _last, kept), do: kept

  defp count_blocks([{at, _, _} | _] = parts, [_, {next, _} = block | blocks], last, kept)
       when next <= at do
    count_blocks(parts, [block | blocks], last, kept)
  end

  defp count_blocks([{at, _, source} | parts], [{start, size} = block | _] = blocks, last, kept)
       when start <= at and at < start + size + @header do
    counted = if block == last, do: 0, else: source
    count_blocks(parts, blocks, block, kept + counted)
  end

  # Not among the blocks of this process: a literal, which is nobody's.
  defp count_blocks([{_, _, source} | parts], blocks, last, kept) do
    count_blocks(parts, blocks, last, kept + source)
  end
end
