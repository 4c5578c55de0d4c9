defmodule BoundedXml.ParserError do
  @moduledoc """
  A `BoundedXml.Parser` that cannot be used, whatever the document is.

    * `:busy`: another process is feeding it at this moment. A parser belongs to one process at a time
    * `:closed`: it was finished
    * `:interrupted`: an earlier call of it raised halfway, for want of memory or for what is not iodata, and its events
      are lost. Its memory was given back
    * `:broken`: a call of it failed halfway, a bug of this library. Start again with a new parser
  """

  @type t :: %__MODULE__{reason: :busy | :closed | :interrupted | :broken}

  defexception [:reason]

  @impl true
  def message(%{reason: :busy}),
    do: "the parser is being fed by another process: give each process a parser of its own"

  def message(%{reason: :closed}),
    do: "the parser is finished: start another document with BoundedXml.Parser.new/1"

  def message(%{reason: :interrupted}),
    do:
      "an earlier call of this parser raised halfway, and its events are lost: start again with BoundedXml.Parser.new/1"

  def message(%{reason: :broken}),
    do: "an earlier call of this parser failed halfway: start again with BoundedXml.Parser.new/1"
end
