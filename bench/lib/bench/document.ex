defmodule Bench.Document do
  @moduledoc """
  Generated documents of any size, the same ones every time.

  A document is a header, records and a footer. The kinds differ in what XML is used for: text with
  little markup (`:feed`, `:wikipedia`), elements in elements (`:iso20022`), small cells
  (`:spreadsheet`), attributes (`:osm`); and one endless token each (`:text`, `:cdata`, `:attribute`).
  """

  alias Bench.Document.Records

  @kinds [:feed, :wikipedia, :iso20022, :spreadsheet, :osm]
  @giants [:text, :cdata, :attribute]

  # Pieces of about this size are handed on.
  @piece 65_536

  def kinds, do: @kinds
  def giants, do: @giants

  @doc """
  A lazy stream of binaries: a document of the kind, of at least `bytes` bytes.

  With `wrap: :flat` the records are children of the root, as parsers for streams of stanzas want it.
  With `repeat: true` the first MiB of records is repeated: generating then costs nothing.
  """
  def stream(kind, bytes, options \\ []) do
    {header, footer} = wrapping(kind, Keyword.get(options, :wrap, :plain))
    length = byte_size(header) + byte_size(footer)
    Stream.concat([[header], body(kind, bytes - length, options), [footer]])
  end

  @doc "Writes the document to `path`; returns its size in bytes."
  def write!(kind, bytes, path, options \\ []) do
    kind |> stream(bytes, options) |> Stream.into(File.stream!(path)) |> Stream.run()
    File.stat!(path).size
  end

  defp wrapping(kind, _wrap) when kind in @giants, do: Records.wrapping(kind)
  defp wrapping(kind, :plain), do: Records.wrapping(kind)

  defp wrapping(kind, :flat) do
    {header, _} = Records.wrapping(kind)
    # Every prefix that records use is declared in the header.
    declared = ~r/xmlns:\w+="[^"]*"/ |> Regex.scan(header) |> Enum.join(" ")
    {"<records #{declared}>\n", "</records>"}
  end

  defp body(kind, bytes, options) do
    if Keyword.get(options, :repeat, false) do
      kind |> pieces(1_048_576) |> Enum.to_list() |> Stream.cycle() |> take_bytes(bytes)
    else
      pieces(kind, bytes)
    end
  end

  defp pieces(kind, bytes) do
    piece = min(@piece, bytes)

    0
    |> Stream.iterate(&(&1 + 1))
    |> Stream.map(&Records.record(kind, &1))
    |> Stream.chunk_while(
      {[], 0},
      fn record, {pieces, size} ->
        case {[pieces | record], size + IO.iodata_length(record)} do
          {pieces, size} when size >= piece -> {:cont, IO.iodata_to_binary(pieces), {[], 0}}
          acc -> {:cont, acc}
        end
      end,
      fn {pieces, _size} -> {:cont, IO.iodata_to_binary(pieces), []} end
    )
    |> take_bytes(bytes)
  end

  defp take_bytes(pieces, bytes) do
    Stream.transform(pieces, 0, fn
      _piece, done when done >= bytes -> {:halt, done}
      piece, done -> {[piece], done + byte_size(piece)}
    end)
  end
end
