defmodule BoundedXml.Errors do
  @moduledoc false
  # The one place where an error of the native parser becomes an exception.

  alias BoundedXml.{ParseError, ParserError}

  def exception({:unusable, reason}), do: %ParserError{reason: reason}
  def exception({kind, details}), do: ParseError.new(kind, details)
end
