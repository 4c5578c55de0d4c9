defmodule BoundedBinary.Concat do
  @moduledoc false
  # Iodata into a charged binary. Small pieces are gathered, for one call per byte of a charlist would
  # be slow; what is left of the iodata is kept on a stack of its own.

  alias BoundedBinary.Filling

  @batch 64 * 1024
  # `slice::PLAIN_MAX` of the core.
  @plain_max 512 * 1024

  @doc "The bytes of `iodata`: as a binary of the VM's where they are few."
  def run(iodata) do
    case :erlang.iolist_size(iodata) do
      size when size <= @plain_max -> :erlang.iolist_to_binary(iodata)
      size -> fill(iodata, size)
    end
  end

  @doc "The bytes of `iodata`, which are `size` in number, charged."
  def fill(iodata, size) do
    size |> Filling.new() |> walk(iodata, [], [], 0) |> Filling.finish()
  end

  defp walk(filling, [head | tail], rest, batch, bytes) when is_integer(head) do
    add(filling, head, 1, [tail | rest], batch, bytes)
  end

  defp walk(filling, [head | tail], rest, batch, bytes) do
    walk(filling, head, push(tail, rest), batch, bytes)
  end

  defp walk(filling, [], [next | rest], batch, bytes) do
    walk(filling, next, rest, batch, bytes)
  end

  defp walk(filling, [], [], batch, _bytes), do: flush(filling, batch)

  defp walk(filling, binary, rest, batch, _bytes) when byte_size(binary) >= @batch do
    filling |> flush(batch) |> Filling.append(binary) |> walk([], rest, [], 0)
  end

  defp walk(filling, binary, rest, batch, bytes) do
    add(filling, binary, byte_size(binary), rest, batch, bytes)
  end

  defp add(filling, piece, size, rest, batch, bytes) when bytes + size < @batch do
    walk(filling, [], rest, [piece | batch], bytes + size)
  end

  defp add(filling, piece, _size, rest, batch, _bytes) do
    filling |> flush([piece | batch]) |> walk([], rest, [], 0)
  end

  defp push([], rest), do: rest
  defp push(tail, rest), do: [tail | rest]

  defp flush(filling, []), do: filling

  defp flush(filling, batch) do
    Filling.append(filling, batch |> Enum.reverse() |> :erlang.iolist_to_binary())
  end
end
