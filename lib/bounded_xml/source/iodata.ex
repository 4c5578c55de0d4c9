defmodule BoundedXml.Source.Iodata do
  @moduledoc false
  # Splits iodata into parts of bounded size without flattening it. The rest is a stack of iodata, and separately the
  # binary that was partly taken with the offset that was reached, so that no term of a source can be mistaken for
  # that state.

  alias Bounded.Bytes

  # Binaries of at most this many bytes are joined to one part. Larger ones are used in place.
  @joined_bytes 4096

  @type part :: {binary, offset :: non_neg_integer, length :: pos_integer}
  @opaque rest :: {begun :: tuple | nil, stack :: list} | {:not_iodata, term}

  @doc "Returns the state from which `take/2` takes all of `iodata`."
  @spec new(iodata) :: rest
  def new(iodata) when is_binary(iodata) or is_list(iodata), do: {nil, [iodata]}
  def new(other), do: {:not_iodata, other}

  @doc "Takes the next part of at most `max` bytes."
  @spec take(rest, pos_integer) :: {:ok, part, rest} | :none | {:invalid, term}
  def take({:not_iodata, other}, _max), do: {:invalid, other}
  def take({nil, stack}, max), do: walk(stack, [], 0, max)
  def take({{binary, offset}, stack}, max), do: add(binary, offset, stack, [], 0, max)
  def take({{:unaligned, binary, offset}, stack}, max), do: cut(binary, offset, stack, max)

  defp walk([[] | rest], gathered, size, max), do: walk(rest, gathered, size, max)
  defp walk(["" | rest], gathered, size, max), do: walk(rest, gathered, size, max)

  defp walk([[head | tail] | rest], gathered, size, max) when is_list(tail) or is_binary(tail),
    do: walk([head, tail | rest], gathered, size, max)

  defp walk([binary | stack], gathered, size, max) when is_binary(binary) do
    cond do
      Bytes.aligned?(binary) -> add(binary, 0, stack, gathered, size, max)
      size > 0 -> part(gathered, size, {{:unaligned, binary, 0}, stack})
      true -> cut(binary, 0, stack, max)
    end
  end

  defp walk([byte | rest], gathered, size, max) when byte in 0..255 and size < max,
    do: walk(rest, [gathered, byte], size + 1, max)

  defp walk([byte | _] = stack, gathered, size, _max) when byte in 0..255,
    do: part(gathered, size, {nil, stack})

  defp walk([], _gathered, 0, _max), do: :none
  defp walk([], gathered, size, _max), do: part(gathered, size, {nil, []})
  defp walk([other | _], _gathered, _size, _max), do: {:invalid, other}

  defp add(binary, offset, stack, gathered, size, max) do
    left = byte_size(binary) - offset

    cond do
      left <= @joined_bytes and size + left <= max ->
        walk(stack, [gathered, binary_part(binary, offset, left)], size + left, max)

      size > 0 ->
        part(gathered, size, {{binary, offset}, stack})

      left <= max ->
        {:ok, {binary, offset, left}, {nil, stack}}

      true ->
        {:ok, {binary, offset, max}, {{binary, offset + max}, stack}}
    end
  end

  # Copies the part: for each NIF call the VM would copy all of a binary that does not start on a byte.
  defp cut(binary, offset, stack, max) do
    length = min(byte_size(binary) - offset, max)
    part = binary |> binary_part(offset, length) |> :binary.copy()
    next = offset + length
    begun = if next < byte_size(binary), do: {:unaligned, binary, next}
    {:ok, {part, 0, length}, {begun, stack}}
  end

  defp part(gathered, size, rest), do: {:ok, {IO.iodata_to_binary(gathered), 0, size}, rest}
end
