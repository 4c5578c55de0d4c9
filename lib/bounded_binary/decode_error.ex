defmodule BoundedBinary.DecodeError do
  @moduledoc """
  Raised by `BoundedBinary.inflate/2` and `BoundedBinary.to_term/2` for data that they do not decode, and by
  `BoundedBinary.lines/2` and `BoundedBinary.term_to_binary/2` beyond their `max_bytes`.

    * `kind`
      * `:limit`: the result would take more than `max_bytes`
      * `:malformed`: it is not what it should be, or it was damaged
      * `:truncated`: it ends too early
      * `:forbidden`: it holds a function, reference or port, an identifier of another node, an atom that does not
        exist, or a native record where OTP has none
    * `reason`: what was found, a string
    * `byte_offset`: where in the data, where that is known
    * `plug_status`: 413 for `:limit`, 400 otherwise; `Plug` answers with it by itself
  """

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
  def message(%{kind: kind, reason: reason, byte_offset: nil}), do: "#{kind}: #{reason}"

  def message(error) do
    "#{error.kind}: #{error.reason} (at byte #{error.byte_offset} of the data)"
  end
end
