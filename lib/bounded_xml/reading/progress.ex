defmodule BoundedXml.Progress do
  @moduledoc false
  # Detects a parser that makes no progress. A native call that consumes no input and returns no events is normal,
  # because a call ends after a fraction of a millisecond. Such calls would repeat for ever if they left the state of
  # the parser unchanged.

  alias Bounded.Native
  alias BoundedXml.{Errors, ParseError}

  # Number of such calls between two comparisons of the parser's state. A value of a gigabyte takes half as many.
  @calls_between_checks 10_000

  @doc "The count before the first such call."
  def new, do: {0, nil}

  @doc "Counts another such call."
  def note({count, place}, _parser) when count < @calls_between_checks,
    do: {:ok, {count + 1, place}}

  def note({_count, place}, parser) do
    case Native.xml_progress(parser) do
      ^place -> {:error, stalled(parser)}
      place -> {:ok, {0, place}}
    end
  end

  defp stalled(parser) do
    with {:ok, {line, column, byte_offset}} <- Native.xml_position(parser) do
      reason =
        "the parser makes no progress from here. This is a bug of bounded: please report it"

      ParseError.new(:internal, {reason, line, column, byte_offset, nil})
    else
      {:error, reason} -> Errors.exception(reason)
    end
  end
end
