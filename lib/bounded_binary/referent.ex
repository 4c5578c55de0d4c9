defmodule BoundedBinary.Referent do
  @moduledoc false
  # The binary that a sub-binary references and keeps alive.

  # A binary of at most this many bytes lives in the heap of its process, unless it is a part of a larger one.
  @heap_max 64

  @doc """
  Returns the bytes of the binary that `binary` is a part of, or its own size.

  OTP 27 returns the size of a binary in a heap in bits. So eight times its size is taken for its own size, which overlooks
  a source of at most 448 more bytes.
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
