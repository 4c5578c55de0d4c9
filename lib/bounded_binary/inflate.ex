defmodule BoundedBinary.Inflate do
  @moduledoc false
  # Decompresses data with little more memory than the result takes. The first pass discards the output and finds its size, so a
  # decompression bomb ends there. Then that size is charged and the data inflated again. Small results are kept in the
  # first pass. A size that gzip declares is tried before a first pass.

  alias Bounded.Native
  alias BoundedBinary.{Builder, DecodeError}
  alias Quota.Account.Reservation

  # Output up to this size is kept in the first pass, which is then the only one.
  @kept_bytes 64 * 1024

  # The best ratio of deflate (zlib's technical notes). A larger declared size is wrong.
  @best_ratio 1032

  @doc "Inflates `data` of `format` to at most `max_bytes`, and at most `max_ratio` times its size."
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

  # The maximum size of the result and the option that sets it. The atom `:infinity` is larger than every number.
  defp limit(_data, max_bytes, :infinity), do: {max_bytes, :max_bytes}

  defp limit(data, max_bytes, max_ratio) do
    by_ratio = max_ratio * byte_size(data)

    if max_bytes <= by_ratio,
      do: {max_bytes, :max_bytes},
      else: {by_ratio, {:max_ratio, max_ratio}}
  end

  @doc "Returns `{:ok, binary}`, `prefix` followed by zlib `data` inflated, or `:error` if that data has not `size` bytes."
  def exactly(data, prefix, size) do
    builder = Builder.new(byte_size(prefix) + size)
    fill_into(Builder.append(builder, prefix), data, :zlib, size)
  end

  defp counted(data, format, limit) do
    case fold(data, format, {0, []}, &count(&1, &2, limit)) do
      {size, kept} when size <= @kept_bytes ->
        kept |> Enum.reverse() |> :erlang.iolist_to_binary()

      {size, _} ->
        data |> fill(format, size) |> elem(1)
    end
  end

  defp count(output, {size, kept}, {max_bytes, option}) do
    case size + :erlang.iolist_size(output) do
      size when size > max_bytes -> raise beyond(max_bytes, option)
      size when size > @kept_bytes -> {room!(size), []}
      size -> {size, [output | kept]}
    end
  end

  # The first pass goes on only while the quota could still hold the result.
  defp room!(size) do
    Reservation.charged(fn -> Native.binary_room(size) end, true)
    size
  end

  defp fill(data, format, size), do: size |> Builder.new() |> fill_into(data, format, size)

  defp fill_into(builder, data, format, size) do
    left =
      fold(data, format, size, fn output, left ->
        case left - :erlang.iolist_size(output) do
          left when left < 0 ->
            throw(:wrong_size)

          left ->
            append(builder, output)
            left
        end
      end)

    if left == 0, do: {:ok, Builder.finish(builder)}, else: :error
  catch
    :wrong_size -> :error
  end

  defp append(builder, output) do
    output |> :erlang.iolist_to_iovec() |> Enum.each(&Builder.append(builder, &1))
  end

  # Calls `fun` with each piece of output, which is at most as large as zlib's buffer.
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
                "compressed with a preset dictionary, which is not supported"
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
      reraise DecodeError.new(:truncated, "compressed data is truncated"), __STACKTRACE__
  end

  defp malformed(%ErlangError{original: reason}) do
    DecodeError.new(
      :malformed,
      "compressed data is damaged or has another format (#{inspect(reason)})"
    )
  end

  defp beyond(max_bytes, :max_bytes), do: too_large(max_bytes)

  defp beyond(max_bytes, {:max_ratio, max_ratio}) do
    DecodeError.new(
      :limit,
      "decoded, it takes more than #{max_bytes} bytes, #{max_ratio} times its size (option max_ratio). " <>
        "If you trust the data, pass a larger max_ratio"
    )
  end

  @doc "Returns the error for a result of more than `max_bytes`."
  def too_large(max_bytes) do
    DecodeError.new(:limit, "decoded, it takes more than #{max_bytes} bytes (option max_bytes)")
  end

  defp detect(:auto, <<31, 139, _::binary>>), do: :gzip
  defp detect(:auto, _), do: :zlib
  defp detect(format, _), do: format

  # Gzip data ends with the size of its last member, modulo 4 GiB. With several members it is too small, and the data is
  # counted after all.
  defp declared(:gzip, data, max_bytes) when byte_size(data) > 18 do
    <<size::little-32>> = binary_part(data, byte_size(data), -4)

    if size > @kept_bytes and size <= max_bytes and size <= @best_ratio * byte_size(data),
      do: size
  end

  defp declared(_format, _data, _max_bytes), do: nil

  defp window_bits(:gzip), do: 31
  defp window_bits(:zlib), do: 15
  defp window_bits(:raw), do: -15

  # Like `:zlib.gunzip/1` and `:zlib.uncompress/1`: gzip data may have several members.
  defp end_of_stream(:gzip), do: :reset
  defp end_of_stream(_), do: :cut
end
