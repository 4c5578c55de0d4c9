defmodule BoundedXml.ParserError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  A `BoundedXml.Parser` cannot be used. The cause is not the document. `reason` is

    * `:busy`: another process is feeding the parser at this moment. Only one process can feed it at a time
    * `:closed`: the parser is finished
    * `:interrupted`: an earlier call raised after it had parsed a part of its input, because memory was refused or the
      input was not iodata. The events of that part are lost. The memory of the parser was released
    * `:stale`: a parser of records was fed, and the parser that an earlier call returned was given
    * `:broken`: an earlier call failed because of a bug of this library. Start again with a new parser

  `plug_status` is 500.
  """

  @typedoc "A call that a parser cannot take in its state."
  @type t :: %__MODULE__{
          reason: :busy | :closed | :interrupted | :stale | :broken,
          plug_status: 500
        }

  defexception [:reason, plug_status: 500]

  @impl true
  def message(%{reason: :busy}),
    do: "another process is feeding this parser: use one parser per process"

  def message(%{reason: :closed}),
    do: "this parser is finished: start another document with BoundedXml.Parser.new/1"

  def message(%{reason: :interrupted}),
    do:
      "an earlier call of this parser raised and its events are lost: start again with BoundedXml.Parser.new/1"

  def message(%{reason: :stale}),
    do: "this parser was fed since: give each call the parser that the last one returned"

  def message(%{reason: :broken}),
    do: "an earlier call of this parser failed: start again with BoundedXml.Parser.new/1"
end
