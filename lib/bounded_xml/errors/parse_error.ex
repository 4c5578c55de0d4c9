defmodule BoundedXml.ParseError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  An error in a document, with its position.

    * `kind`
      * `:malformed`: the document is not well-formed XML
      * `:truncated`: the document ends too early, for example within a character, a tag or the root element. It may be
        the beginning of a well-formed document: fetch it again
      * `:limit`: the document exceeds one of `BoundedXml.Limits`
      * `:encoding`: bytes are not valid in the document's encoding, or two declared encodings contradict each other
      * `:unsupported`: XML that this library does not read or that an option rejects: an encoding that
        `BoundedXml.encodings/0` does not list, compressed data, a DOCTYPE with `doctype: :reject`, which
        `limits: :strict` implies
      * `:missing`: a selected element lacks a field that `required:` of `BoundedXml.select/3` names; the position is that of
        the element
      * `:internal`: a bug of this library, which could not go on with the document
    * `reason`: a description of the error
    * `line`, `column`: both from 1; columns count characters
    * `byte_offset`: number of bytes of the original input before the position
    * `limit`, `value`, `seen`: for `kind: :limit`, the option, its value and the figure in the document
      (`nil` otherwise)
    * `plug_status`: 413 for `:limit`, 500 for `:internal`, 400 otherwise. Plug responds with it

  The events before the position have been delivered. The error does not depend on how the document is cut into chunks.

      iex> "<a><b></a>" |> BoundedXml.stream() |> Stream.run()
      ** (BoundedXml.ParseError) malformed XML at line 1, column 7 (byte 6): </b> belongs here, not </a>
  """

  @typedoc "The kind of fault, see above."
  @type kind :: :malformed | :truncated | :limit | :encoding | :unsupported | :missing | :internal

  @typedoc "A fault of a document, and its position."
  @type t :: %__MODULE__{
          kind: kind,
          reason: String.t(),
          line: pos_integer,
          column: pos_integer,
          byte_offset: non_neg_integer,
          limit: atom,
          value: non_neg_integer | nil,
          seen: non_neg_integer | nil,
          plug_status: 400 | 413 | 500
        }

  # Fixed limits that a larger option does not raise; see `BoundedXml.Limits`.
  @ceilings %{
    max_depth: 65_536,
    max_attributes: 16_384,
    max_name_bytes: 262_144,
    max_namespaces: 16_384,
    max_dtd_bytes: 98_304,
    max_entity_depth: 1_280
  }

  # The fixed limits, for the tests and the documentation.
  @doc false
  def ceilings, do: @ceilings

  defexception [
    :kind,
    :reason,
    :line,
    :column,
    :byte_offset,
    :limit,
    :value,
    :seen,
    plug_status: 400
  ]

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
      seen: seen,
      plug_status: plug_status(kind)
    }
  end

  defp plug_status(:limit), do: 413
  defp plug_status(:internal), do: 500
  defp plug_status(_kind), do: 400

  @impl true
  # Does not suggest a larger limit if the limit is not an option or has its largest value.
  def message(%{kind: :limit, limit: limit, value: value} = error)
      when limit == nil or
             (is_map_key(@ceilings, limit) and value == :erlang.map_get(limit, @ceilings)) do
    "XML exceeds a limit #{place(error)}: #{error.reason}"
  end

  def message(%{kind: :limit} = error) do
    "XML exceeds a limit #{place(error)}: #{error.reason}. " <>
      "If you trust the source, pass a larger #{error.limit}"
  end

  def message(error), do: "#{title(error.kind)} #{place(error)}: #{error.reason}"

  defp title(:malformed), do: "malformed XML"
  defp title(:truncated), do: "truncated XML"
  defp title(:encoding), do: "wrongly encoded XML"
  defp title(:internal), do: "cannot parse this XML"
  defp title(:unsupported), do: "unsupported XML"
  defp title(:missing), do: "incomplete XML"

  defp place(error),
    do: "at line #{error.line}, column #{error.column} (byte #{error.byte_offset})"
end
