defmodule BoundedXml.Errors do
  @moduledoc false
  # The one place where what the native parser reports becomes an exception.

  alias BoundedXml.{ParseError, ParserError}

  def exception({:unusable, reason}), do: %ParserError{reason: reason}
  def exception({kind, details}), do: ParseError.new(kind, details)
end
