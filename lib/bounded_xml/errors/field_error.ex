defmodule BoundedXml.FieldError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Raised when the function of a field, `{:map, path, fun}` of `BoundedXml.select/3`, raises.

    * `field`: the key of the field
    * `value`: the string that the function was called with
    * `line`, `column`: where the record begins, both from 1; columns count characters
    * `exception`: what the function raised
    * `plug_status`: 400. Plug responds with it

  The records before this one have been delivered.

      iex> number = fn string -> if string =~ ~r/^[0-9]+$/, do: String.to_integer(string), else: raise("no number") end
      iex> "<r><i><n>1</n></i><i><n>one</n></i></r>"
      ...> |> BoundedXml.select("r/i", fields: [n: {:map, "n", number}])
      ...> |> Stream.run()
      ** (BoundedXml.FieldError) cannot convert the field :n of the record at line 1, column 19, which is "one": no number
  """

  @typedoc "A conversion of a field that failed."
  @type t :: %__MODULE__{
          field: atom,
          value: String.t(),
          line: pos_integer,
          column: pos_integer,
          exception: Exception.t(),
          plug_status: 400
        }

  defexception [:field, :value, :line, :column, :exception, plug_status: 400]

  @impl true
  def message(error) do
    "cannot convert the field #{inspect(error.field)} of the record at line #{error.line}, column #{error.column}, " <>
      "which is #{inspect(error.value, printable_limit: 60)}: #{Exception.message(error.exception)}"
  end
end
