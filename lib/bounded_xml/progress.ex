defmodule BoundedXml.Progress do
  @moduledoc false
  # Calls that ask to be made again, want no input and give no events: a few in a row are nothing special,
  # as a call only does a fraction of a millisecond's work. Where they leave the parser as it was, they would
  # be made for ever.

  alias Bounded.Native
  alias BoundedXml.{Errors, ParseError}

  # How many calls are made between two looks at the parser. A value of a gigabyte takes half as many.
  @patience 10_000

  @doc "No such calls yet."
  def new, do: {0, nil}

  @doc "Counts another such call."
  def note({count, place}, _parser) when count < @patience, do: {:ok, {count + 1, place}}

  def note({_count, place}, parser) do
    case Native.xml_progress(parser) do
      ^place -> {:error, stalled(parser)}
      place -> {:ok, {0, place}}
    end
  end

  defp stalled(parser) do
    with {:ok, {line, column, byte_offset}} <- Native.xml_position(parser) do
      reason = "the parser does not get on from here. This is a bug of bounded: please report it"
      ParseError.new(:internal, {reason, line, column, byte_offset, nil})
    else
      {:error, reason} -> Errors.exception(reason)
    end
  end
end
