defmodule BoundedXml.Encode.Text do
  @moduledoc false
  # Implements `BoundedXml.escape/1` and `unescape/2`: a native call for each part of the text.

  alias Bounded.Native
  alias BoundedXml.{Encode, EncodeError, ParseError}
  alias Quota.Account.Reservation

  @part 16_384

  @doc "See `BoundedXml.escape/1`."
  def escape(text), do: escape(text, 0, :same)

  defp escape(text, offset, written) do
    {part, last?} = part(text, offset)

    case Reservation.charged(fn -> Native.xml_escape(part, last?) end) do
      {:ok, {_read, pieces}} when last? ->
        text |> written(offset, part, pieces, written) |> result(text)

      {:ok, {read, pieces}} ->
        part = binary_part(part, 0, read)
        escape(text, offset + read, written(text, offset, part, pieces, written))

      {:error, {kind, reason, at}} ->
        raise EncodeError, kind: kind, reason: "#{reason} (byte #{offset + at} of the text)"
    end
  end

  @doc "See `BoundedXml.unescape/2`."
  def unescape(text, options), do: unescape(text, 0, :same, entities!(options))

  defp unescape(text, offset, written, entities) do
    {part, last?} = part(text, offset)

    case Reservation.charged(fn -> Native.xml_unescape(part, last?, entities == :html) end) do
      {:ok, {read, pieces, nil}} when last? and read == byte_size(part) ->
        text |> written(offset, part, pieces, written) |> result(text)

      {:ok, {read, pieces, nil}} ->
        part = binary_part(part, 0, read)
        written = written(text, offset, part, pieces, written)
        unescape(text, offset + read, written, entities)

      {:ok, {read, pieces, name}} ->
        at = offset + read - byte_size(name) - 2
        value = value(entities, name) || wrong!(text, at, unknown(name))
        written = [value | written(text, offset, part, pieces, written)]
        unescape(text, offset + read, written, entities)

      {:error, {_kind, reason, at}} ->
        wrong!(text, offset + at, reason)
    end
  end

  # A part of an unaligned text is a copy of that part alone.
  defp part(text, offset) do
    case byte_size(text) - offset do
      left when left <= @part -> {binary_part(text, offset, left), true}
      _left -> {binary_part(text, offset, @part), false}
    end
  end

  # What was written, the last piece first, or `:same` as long as that is how the text begins: it is not copied.
  defp written(_text, _offset, _part, :same, :same), do: :same
  defp written(_text, 0, _part, pieces, :same), do: pieces
  defp written(text, offset, _part, pieces, :same), do: pieces ++ [binary_part(text, 0, offset)]
  defp written(_text, _offset, part, :same, written), do: [part | written]
  defp written(_text, _offset, _part, pieces, written), do: pieces ++ written

  defp result(:same, text), do: text
  defp result(written, _text), do: written |> :lists.reverse() |> Encode.binary()

  defp entities!([]), do: %{}

  defp entities!(entities: :html), do: :html
  defp entities!(entities: fun) when is_function(fun, 1), do: fun

  defp entities!(entities: map) when is_map(map) and not is_struct(map) do
    Enum.all?(map, fn {name, text} -> is_binary(name) and is_binary(text) end) || invalid!(map)
    map
  end

  defp entities!(entities: other), do: invalid!(other)

  defp entities!(other) do
    raise ArgumentError,
          "the only option of unescape/2 is entities:, got: #{inspect(other, limit: 5, printable_limit: 60)}"
  end

  defp invalid!(entities) do
    raise ArgumentError,
          ~s(:entities must be a map of names and texts such as %{"copy" => "©"}, a function of a name, or :html, ) <>
            "got: #{inspect(entities, limit: 5, printable_limit: 60)}"
  end

  defp value(:html, _name), do: nil
  defp value(map, name) when is_map(map), do: map[name]

  defp value(fun, name) do
    case fun.(name) do
      text when is_binary(text) or is_nil(text) ->
        text

      other ->
        raise ArgumentError,
              "the function of entities: must return a string or nil, " <>
                "got: #{inspect(other, limit: 5, printable_limit: 60)} for #{inspect(name, printable_limit: 60)}"
    end
  end

  defp unknown(name), do: "the entity #{inspect(name, printable_limit: 60)} is not known"

  defp wrong!(text, at, reason) do
    before = binary_part(text, 0, at)
    breaks = :binary.matches(before, "\n")
    {line_start, _} = List.last(breaks, {-1, 1})
    line = binary_part(before, line_start + 1, at - line_start - 1)

    raise ParseError.new(
            :malformed,
            {reason, length(breaks) + 1, characters(line, 1), at, nil}
          )
  end

  defp characters(<<_::utf8, rest::binary>>, count), do: characters(rest, count + 1)
  defp characters(_, count), do: count
end
