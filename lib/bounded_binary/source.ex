defmodule BoundedBinary.Source do
  @moduledoc false
  # What a binary keeps alive.

  # Up to this many bytes a binary lives in the heap of its process, unless it is a part of a larger one.
  @heap_max 64

  @doc """
  Bytes of the binary that `binary` is a part of, or its own.

  OTP 27 gives the size of a binary in a heap in bits: eight times its bytes are taken for its own. At
  worst that overlooks 448 bytes.
  """
  def size(binary) do
    own = byte_size(binary)

    case :binary.referenced_byte_size(binary) do
      bits when bits == own * 8 and own <= @heap_max -> own
      bytes -> bytes
    end
  end

  @doc "Whether `binary`, whose source is `source` bytes, is in a heap and keeps nothing else alive."
  def in_heap?(binary, source), do: source <= @heap_max and byte_size(binary) == source
end
