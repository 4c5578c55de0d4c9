defmodule BoundedBinary.Filling do
  @moduledoc false
  # A charged binary on its way: room is charged and allocated at once, then filled in steps small
  # enough for a normal scheduler. The pieces are terms of the calling process, so nothing that is
  # still to be copied can be collected, and unaligned binaries are never copied whole.

  alias Bounded.{Arena, Native}

  @step 256 * 1024

  # No machine has as much: refused by every account, the node's included.
  @absurd Bitwise.bsl(1, 61)

  @doc "Room for `size` bytes. Raises `Quota.ExceededError` when they are refused."
  def new(size) do
    size = min(size, @absurd)
    {:ok, filling} = Arena.charged(fn -> Native.binary_new(size) end)
    filling
  end

  @doc "Writes `piece` behind what is there; raises `ArgumentError` when there is no room for it."
  def append(filling, piece) when byte_size(piece) <= @step do
    :ok = Native.binary_append(filling, piece)
    filling
  end

  def append(filling, piece), do: append_from(filling, piece, 0)

  @doc "The binary of all bytes written."
  def finish(filling), do: Native.binary_finish(filling)

  defp append_from(filling, piece, from) do
    case byte_size(piece) - from do
      rest when rest <= @step ->
        append(filling, binary_part(piece, from, rest))

      _ ->
        append(filling, binary_part(piece, from, @step))
        append_from(filling, piece, from + @step)
    end
  end
end
