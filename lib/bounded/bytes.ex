defmodule Bounded.Bytes do
  @moduledoc false
  # How binaries are shown to NIFs. A binary that does not start on a byte of its source is shown as an aligned copy
  # of the whole, at every call: too long for one, and memory that nobody charges.

  alias Bounded.Native

  # `slice::STEP` of the core: so much may be copied within a call.
  @step 256 * 1024

  # The VM makes copies of parts of at most 64 bytes.
  @part 128

  @doc "Whether a NIF may be given `binary`: it starts on a byte of its source, or is small enough to be copied."
  @spec aligned?(binary) :: boolean
  def aligned?(binary) when byte_size(binary) <= @step, do: true

  # Of an unaligned one, the two parts are copies, and never neighbours: they overlap.
  def aligned?(binary) do
    Native.binary_adjacent(binary_part(binary, 0, @part), binary_part(binary, 1, @part))
  end
end
