defmodule BoundedXml.ParseError do
  @moduledoc """
  What is wrong with a document, and where.

    * `kind`
      * `:malformed`: it is not well-formed XML
      * `:truncated`: it ends too early, within a character, a tag or the root element, say. What is there may be
        the beginning of a well-formed document: fetch it again
      * `:limit`: it goes beyond one of the limits of `BoundedXml`
      * `:encoding`: bytes that are no characters in its encoding, or two encodings that contradict each other
      * `:unsupported`: XML that this library does not read, or was told not to: an encoding that
        `BoundedXml.encodings/0` does not list, compressed data, a DOCTYPE with `doctype: :reject`, which
        `limits: :strict` implies
      * `:internal`: a bug of this library, which could not get on with the document
    * `reason`: what was wrong, in words
    * `line`, `column`: both from 1; columns count characters
    * `byte_offset`: bytes of the original input before the place, from 0
    * `limit`, `value`, `seen`: for `kind: :limit`, the option's name, what it allows and what was found
      (`nil` otherwise)

  The events before the place have been delivered. The same document gives the same error however it
  is cut into chunks.

      iex> "<a><b></a>" |> BoundedXml.stream() |> Stream.run()
      ** (BoundedXml.ParseError) malformed XML at line 1, column 7 (byte 6): </b> belongs here, not </a>
  """

  @type kind :: :malformed | :truncated | :limit | :encoding | :unsupported | :internal

  @type t :: %__MODULE__{
          kind: kind,
          reason: String.t(),
          line: pos_integer,
          column: pos_integer,
          byte_offset: non_neg_integer,
          limit: atom,
          value: non_neg_integer | nil,
          seen: non_neg_integer | nil
        }

  # Where more than this is allowed, this much is; see `BoundedXml`, "Limits".
  @ceilings %{max_name_bytes: 1_048_576, max_dtd_bytes: 98_304, max_entity_depth: 1_280}

  defexception [:kind, :reason, :line, :column, :byte_offset, :limit, :value, :seen]

  @doc false
  def new(kind, {reason, line, column, byte_offset, limit}) do
    {limit, value, seen} = limit || {nil, nil, nil}

    %__MODULE__{
      kind: kind,
      reason: reason,
      line: line,
      column: column,
      byte_offset: byte_offset,
      limit: limit,
      value: value,
      seen: seen
    }
  end

  @impl true
  # A limit that is no option, or one that is as large as it can be, is not to be raised.
  def message(%{kind: :limit, limit: limit, value: value} = error)
      when limit == nil or
             (is_map_key(@ceilings, limit) and value == :erlang.map_get(limit, @ceilings)) do
    "XML over a limit #{place(error)}: #{error.reason}"
  end

  def message(%{kind: :limit} = error) do
    "XML over a limit #{place(error)}: #{error.reason}. " <>
      "If the source is to be trusted, pass a larger #{error.limit}"
  end

  def message(error), do: "#{title(error.kind)} #{place(error)}: #{error.reason}"

  defp title(:malformed), do: "malformed XML"
  defp title(:truncated), do: "XML that ends too early,"
  defp title(:encoding), do: "XML with a broken encoding"
  defp title(:internal), do: "cannot read this XML"
  defp title(:unsupported), do: "unsupported XML"

  defp place(error),
    do: "at line #{error.line}, column #{error.column} (byte #{error.byte_offset})"
end
