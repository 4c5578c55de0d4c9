defmodule Bounded.Bytes do
  @moduledoc false
  # Alignment of binaries for NIFs. The VM passes a binary that does not start on a byte of its source as an aligned copy, at
  # every call: too slow for a large one, and memory that no account charges.

  import Bounded.Sizes, only: [step: 0]

  alias Bounded.Native

  # The VM makes copies of parts of at most 64 bytes.
  @part 128

  @doc "Whether a NIF may be given `binary`: it starts on a byte of its source, or is small enough to be copied."
  @spec aligned?(binary) :: boolean
  def aligned?(binary) when byte_size(binary) <= step(), do: true

  # Of an unaligned one, the two parts are copies, and never neighbours: they overlap.
  def aligned?(binary) do
    Native.binary_adjacent(binary_part(binary, 0, @part), binary_part(binary, 1, @part))
  end
end
