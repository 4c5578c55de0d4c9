defmodule BoundedBinary.Concat do
  @moduledoc false
  # Converts iodata to a charged binary. Small pieces are batched, because a native call per byte of a charlist would be slow.
  # The rest of the iodata is kept on an explicit stack.

  import Bounded.Sizes, only: [plain_max: 0]

  alias BoundedBinary.Builder

  @batch_bytes 64 * 1024

  @doc "Converts `iodata` to a binary. A small one is an ordinary binary of the VM."
  def run(iodata) do
    case :erlang.iolist_size(iodata) do
      size when size <= plain_max() -> :erlang.iolist_to_binary(iodata)
      size -> fill(iodata, size)
    end
  end

  @doc "Converts `iodata` of `size` bytes to a charged binary."
  def fill(iodata, size) do
    size |> Builder.new() |> walk(iodata, [], [], 0) |> Builder.finish()
  end

  defp walk(builder, [head | tail], rest, batch, bytes) when is_integer(head) do
    add(builder, head, 1, [tail | rest], batch, bytes)
  end

  defp walk(builder, [head | tail], rest, batch, bytes) do
    walk(builder, head, push(tail, rest), batch, bytes)
  end

  defp walk(builder, [], [next | rest], batch, bytes) do
    walk(builder, next, rest, batch, bytes)
  end

  defp walk(builder, [], [], batch, _bytes), do: flush(builder, batch)

  defp walk(builder, binary, rest, batch, _bytes) when byte_size(binary) >= @batch_bytes do
    builder |> flush(batch) |> Builder.append(binary) |> walk([], rest, [], 0)
  end

  defp walk(builder, binary, rest, batch, bytes) do
    add(builder, binary, byte_size(binary), rest, batch, bytes)
  end

  defp add(builder, piece, size, rest, batch, bytes) when bytes + size < @batch_bytes do
    walk(builder, [], rest, [piece | batch], bytes + size)
  end

  defp add(builder, piece, _size, rest, batch, _bytes) do
    builder |> flush([piece | batch]) |> walk([], rest, [], 0)
  end

  defp push([], rest), do: rest
  defp push(tail, rest), do: [tail | rest]

  defp flush(builder, []), do: builder

  defp flush(builder, batch) do
    Builder.append(builder, batch |> Enum.reverse() |> :erlang.iolist_to_binary())
  end
end
