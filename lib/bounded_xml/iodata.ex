defmodule BoundedXml.Iodata do
  @moduledoc false
  # Takes iodata apart into parts of bounded size without flattening it: what is left to walk is a
  # stack of iodata and of `{binary, offset}` for a binary that was begun.

  # Smaller binaries are gathered into one part, larger ones are used where they are.
  @small 4096

  @type part :: {binary, offset :: non_neg_integer, length :: pos_integer}
  @opaque rest :: list

  @doc "All of `iodata`, to be taken."
  @spec new(iodata) :: rest
  def new(iodata), do: [iodata]

  @doc "The next part of at most `max` bytes."
  @spec take(rest, pos_integer) :: {:ok, part, rest} | :none | {:invalid, term}
  def take(rest, max), do: walk(rest, [], 0, max)

  defp walk([[] | rest], gathered, size, max), do: walk(rest, gathered, size, max)
  defp walk(["" | rest], gathered, size, max), do: walk(rest, gathered, size, max)

  defp walk([[head | tail] | rest], gathered, size, max),
    do: walk([head, tail | rest], gathered, size, max)

  defp walk([binary | rest], gathered, size, max) when is_binary(binary),
    do: add(binary, 0, rest, gathered, size, max)

  defp walk([{binary, offset} | rest], gathered, size, max) when is_integer(offset),
    do: add(binary, offset, rest, gathered, size, max)

  defp walk([byte | rest], gathered, size, max) when byte in 0..255 and size < max,
    do: walk(rest, [gathered | <<byte>>], size + 1, max)

  defp walk([byte | _] = rest, gathered, size, _max) when byte in 0..255,
    do: part(gathered, size, rest)

  defp walk([], _gathered, 0, _max), do: :none
  defp walk([], gathered, size, _max), do: part(gathered, size, [])
  defp walk([other | _], _gathered, _size, _max), do: {:invalid, other}

  defp add(binary, offset, rest, gathered, size, max) do
    left = byte_size(binary) - offset

    cond do
      left <= @small and size + left <= max ->
        walk(rest, [gathered | binary_part(binary, offset, left)], size + left, max)

      size > 0 ->
        part(gathered, size, [{binary, offset} | rest])

      left <= max ->
        {:ok, {binary, offset, left}, rest}

      true ->
        {:ok, {binary, offset, max}, [{binary, offset + max} | rest]}
    end
  end

  defp part(gathered, size, rest), do: {:ok, {IO.iodata_to_binary(gathered), 0, size}, rest}
end
