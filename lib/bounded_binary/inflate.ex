defmodule BoundedBinary.Inflate do
  @moduledoc false
  # Decompression whose memory is that of the result and no more. How much comes out is found first, by
  # inflating without keeping anything, so a bomb ends there; then room for exactly that is charged and
  # the data inflated again. What is small is kept at once, and a size that gzip declares is tried first.

  alias Bounded.{Arena, Native}
  alias BoundedBinary.{DecodeError, Filling}

  # Kept while counting: results up to this size are inflated once.
  @kept 64 * 1024

  # Deflate cannot do better than 1032 to 1 (zlib's technical notes): a larger declared size is a lie.
  @best_ratio 1032

  @doc "Inflates `data` of `format`, to at most `max_bytes` and `max_ratio` times as many bytes."
  def run(data, format, max_bytes, max_ratio) do
    format = detect(format, data)
    limit = limit(data, max_bytes, max_ratio)

    with size when is_integer(size) <- declared(format, data, elem(limit, 0)),
         :ok <- Native.binary_room(size),
         {:ok, binary} <- fill(data, format, size) do
      binary
    else
      _ -> counted(data, format, limit)
    end
  end

  # How many bytes the result may have, and by which option. An atom is more than every number.
  defp limit(_data, max_bytes, :infinity), do: {max_bytes, :max_bytes}

  defp limit(data, max_bytes, max_ratio) do
    by_ratio = max_ratio * byte_size(data)

    if max_bytes <= by_ratio,
      do: {max_bytes, :max_bytes},
      else: {by_ratio, {:max_ratio, max_ratio}}
  end

  @doc "Inflates zlib `data` that comes to `size` bytes behind `prefix`, or returns `:error`."
  def exactly(data, prefix, size) do
    filling = Filling.new(byte_size(prefix) + size)
    fill_into(Filling.append(filling, prefix), data, :zlib, size)
  end

  defp counted(data, format, limit) do
    case fold(data, format, {0, []}, &count(&1, &2, limit)) do
      {size, kept} when size <= @kept -> kept |> Enum.reverse() |> :erlang.iolist_to_binary()
      {size, _} -> data |> fill(format, size) |> elem(1)
    end
  end

  defp count(output, {size, kept}, {max_bytes, option}) do
    case size + :erlang.iolist_size(output) do
      size when size > max_bytes -> raise beyond(max_bytes, option)
      size when size > @kept -> {room!(size), []}
      size -> {size, [output | kept]}
    end
  end

  # Counting goes on only while the account could still take the result.
  defp room!(size) do
    Arena.charged(fn -> Native.binary_room(size) end, true)
    size
  end

  defp fill(data, format, size), do: size |> Filling.new() |> fill_into(data, format, size)

  defp fill_into(filling, data, format, size) do
    left =
      fold(data, format, size, fn output, left ->
        case left - :erlang.iolist_size(output) do
          left when left < 0 ->
            throw(:wrong_size)

          left ->
            append(filling, output)
            left
        end
      end)

    if left == 0, do: {:ok, Filling.finish(filling)}, else: :error
  catch
    :wrong_size -> :error
  end

  defp append(filling, output) do
    output |> :erlang.iolist_to_iovec() |> Enum.each(&Filling.append(filling, &1))
  end

  # Every piece of output in turn, never more than zlib's buffer at once.
  defp fold(data, format, acc, fun) do
    zlib = :zlib.open()

    try do
      :ok = :zlib.inflateInit(zlib, window_bits(format), end_of_stream(format))
      acc = zlib |> inflate(data) |> fold_output(zlib, acc, fun)
      finish(zlib)
      acc
    after
      :zlib.close(zlib)
    end
  end

  defp fold_output({:continue, output}, zlib, acc, fun) do
    acc = fun.(output, acc)
    zlib |> inflate([]) |> fold_output(zlib, acc, fun)
  end

  defp fold_output({:finished, output}, _zlib, acc, fun), do: fun.(output, acc)

  defp inflate(zlib, input) do
    case :zlib.safeInflate(zlib, input) do
      {:need_dictionary, _adler, _output} ->
        raise DecodeError.new(
                :malformed,
                "compressed with a preset dictionary, which is not here"
              )

      output ->
        output
    end
  rescue
    error in ErlangError ->
      reraise malformed(error), __STACKTRACE__
  end

  defp finish(zlib) do
    :zlib.inflateEnd(zlib)
  rescue
    ErlangError ->
      reraise DecodeError.new(:truncated, "compressed data ends too early"), __STACKTRACE__
  end

  defp malformed(%ErlangError{original: reason}) do
    DecodeError.new(
      :malformed,
      "compressed data is damaged, or of another format (#{inspect(reason)})"
    )
  end

  defp beyond(max_bytes, :max_bytes), do: limit(max_bytes)

  defp beyond(max_bytes, {:max_ratio, max_ratio}) do
    DecodeError.new(
      :limit,
      "decoded, it takes more than #{max_bytes} bytes, #{max_ratio} times its size (option max_ratio)"
    )
  end

  @doc "The error for what comes to more than `max_bytes`."
  def limit(max_bytes) do
    DecodeError.new(:limit, "decoded, it takes more than #{max_bytes} bytes (option max_bytes)")
  end

  defp detect(:auto, <<31, 139, _::binary>>), do: :gzip
  defp detect(:auto, _), do: :zlib
  defp detect(format, _), do: format

  # Gzip ends with the size of its last member, modulo 4 GiB; of several members it is too small, and
  # then the data is counted after all.
  defp declared(:gzip, data, max_bytes) when byte_size(data) > 18 do
    <<size::little-32>> = binary_part(data, byte_size(data), -4)
    if size > @kept and size <= max_bytes and size <= @best_ratio * byte_size(data), do: size
  end

  defp declared(_format, _data, _max_bytes), do: nil

  defp window_bits(:gzip), do: 31
  defp window_bits(:zlib), do: 15
  defp window_bits(:raw), do: -15

  # As `:zlib.gunzip/1` and `:zlib.uncompress/1` do: gzip members may follow each other.
  defp end_of_stream(:gzip), do: :reset
  defp end_of_stream(_), do: :cut
end
