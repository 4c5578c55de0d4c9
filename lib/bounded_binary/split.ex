defmodule BoundedBinary.Split do
  @moduledoc false
  # Lazy streams of the pieces of a binary and of the lines of chunks. Each piece or line is a copy, so that it does not
  # keep its source alive.

  alias Bounded.Bytes
  alias BoundedBinary.{Concat, Copy, DecodeError}

  @newline "\n"

  @doc "Implements `BoundedBinary.split/3`."
  def pieces(binary, separator, trim) do
    pattern = pattern(separator)
    Stream.resource(fn -> {aligned(binary), 0} end, &piece(&1, pattern, trim), fn _ -> :ok end)
  end

  defp pattern(separator) when is_binary(separator) or is_list(separator),
    do: :binary.compile_pattern(separator)

  defp pattern(compiled) do
    # Raises unless it is a compiled pattern.
    :binary.match("-", compiled)
    compiled
  end

  # The VM copies a binary that does not start on a byte at every search in it.
  defp aligned(binary), do: if(Bytes.aligned?(binary), do: binary, else: Copy.run(binary))

  defp piece(:done, _pattern, _trim), do: {:halt, :done}

  defp piece({binary, from}, pattern, trim) do
    rest = byte_size(binary) - from

    case :binary.match(binary, pattern, scope: {from, rest}) do
      {at, length} -> {kept(binary, from, at - from, trim), {binary, at + length}}
      :nomatch -> {kept(binary, from, rest, trim), :done}
    end
  end

  defp kept(_binary, _from, 0, true), do: []
  defp kept(binary, from, length, _trim), do: [Copy.run(binary_part(binary, from, length))]

  @doc "Implements `BoundedBinary.lines/2`."
  def lines(binary, max_bytes) when is_binary(binary), do: lines([binary], max_bytes)

  def lines(chunks, max_bytes) do
    pattern = :binary.compile_pattern(@newline)

    Stream.transform(
      chunks,
      fn -> {[], 0} end,
      fn chunk, begun -> cut(chunk, begun, pattern, max_bytes) end,
      fn {parts, size} -> {last(parts, size), {[], 0}} end,
      fn _ -> :ok end
    )
  end

  # Returns a stream of the lines that end in this chunk, and the unfinished line: copies of its parts, last first, with
  # their size.
  defp cut(chunk, {parts, size}, pattern, max_bytes) when is_binary(chunk) do
    chunk = aligned(chunk)

    case :binary.match(chunk, pattern) do
      :nomatch ->
        size = size + byte_size(chunk)
        within!(size, max_bytes)
        {[], {begin(parts, chunk), size}}

      {at, 1} ->
        within!(size + at, max_bytes)
        first = finish(parts, binary_part(chunk, 0, at))
        tail_at = last_line(chunk)
        tail = binary_part(chunk, tail_at, byte_size(chunk) - tail_at)
        within!(byte_size(tail), max_bytes)

        {ended(chunk, at + 1, tail_at, first, pattern, max_bytes),
         {begin([], tail), byte_size(tail)}}
    end
  end

  defp cut(chunk, _begun, _pattern, _max_bytes) do
    raise ArgumentError,
          "the source of BoundedBinary.lines/2 must be a binary or an enumerable of binaries, " <>
            "got a chunk: #{inspect(chunk, limit: 3)}"
  end

  defp ended(chunk, from, until, first, pattern, max_bytes) do
    Stream.concat(
      [first],
      Stream.unfold(from, fn
        from when from >= until ->
          nil

        from ->
          {at, 1} = :binary.match(chunk, pattern, scope: {from, until - from})
          within!(at - from, max_bytes)
          {finish([], binary_part(chunk, from, at - from)), at + 1}
      end)
    )
  end

  # The offset of the line that begins in this chunk and does not end in it.
  defp last_line(chunk), do: last_line(chunk, byte_size(chunk))

  defp last_line(_chunk, 0), do: 0

  defp last_line(chunk, at) do
    if :binary.at(chunk, at - 1) == ?\n, do: at, else: last_line(chunk, at - 1)
  end

  defp begin(parts, <<>>), do: parts
  defp begin(parts, part), do: [Copy.run(part) | parts]

  defp finish([], line), do: line |> without_return() |> Copy.run()

  defp finish(parts, part),
    do: [part | parts] |> Enum.reverse() |> Concat.run() |> finish_joined()

  # A joined line is a copy already. Only a carriage return at its end is removed.
  defp finish_joined(line) do
    case without_return(line) do
      ^line -> line
      shorter -> Copy.run(shorter)
    end
  end

  defp last([], 0), do: []
  defp last(parts, _size), do: [finish(parts, "")]

  defp without_return(line) do
    size = byte_size(line)
    if size > 0 and :binary.last(line) == ?\r, do: binary_part(line, 0, size - 1), else: line
  end

  defp within!(size, max_bytes) when size <= max_bytes, do: :ok

  defp within!(_size, max_bytes) do
    raise DecodeError.new(:limit, "a line takes more than #{max_bytes} bytes (option max_bytes)")
  end
end
