defmodule BoundedBinary.DecodeError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  `BoundedBinary.inflate/2`, `BoundedBinary.to_term/2` and compressed sources of `BoundedXml` raise this error for data that
  they do not decode. `BoundedBinary.lines/2`, `BoundedBinary.term_to_binary/2` and `BoundedXml.Conn.with_body/3` raise it
  for data beyond their `:max_bytes`.

    * `kind`
      * `:limit`: the result would take more than `:max_bytes`, or more than `:max_ratio` times the data
      * `:malformed`: the data is damaged or has another format
      * `:truncated`: the data ends too early
      * `:forbidden`: the data has a function, reference or port, an identifier of another node, an atom that does not
        exist, or a native record before OTP 29
    * `reason`: a description of the error
    * `byte_offset`: the position in the data, or nil where it is unknown
    * `plug_status`: 413 for `:limit`, 400 otherwise. Plug responds with it
  """

  @typedoc "Data that is refused or cannot be decoded. The fields are described above."
  @type t :: %__MODULE__{
          kind: :limit | :malformed | :truncated | :forbidden,
          reason: String.t(),
          byte_offset: non_neg_integer | nil,
          plug_status: 400 | 413
        }

  defexception [:kind, :reason, :byte_offset, plug_status: 400]

  @doc false
  def new(kind, reason, byte_offset \\ nil) do
    status = if kind == :limit, do: 413, else: 400
    %__MODULE__{kind: kind, reason: reason, byte_offset: byte_offset, plug_status: status}
  end

  @impl true
  def message(%{kind: kind, reason: reason, byte_offset: nil}), do: "#{kind(kind)}: #{reason}"

  def message(error) do
    "#{kind(error.kind)}: #{error.reason} (at byte #{error.byte_offset} of the data)"
  end

  defp kind(:limit), do: "too large"
  defp kind(kind), do: "#{kind} data"
end
