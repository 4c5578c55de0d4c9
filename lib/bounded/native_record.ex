defmodule Bounded.NativeRecord do
  @moduledoc false
  # Native records, new in OTP 29: a kind of term for which Elixir has no guard. The functions are called by name, because
  # earlier releases do not have them.

  @doc "Whether this release of OTP has native records."
  @spec supported? :: boolean
  def supported?, do: function_exported?(:erlang, :is_record, 1)

  @doc "Whether `term` is a native record. Must be called only with terms that no guard of maps, lists, tuples or bitstrings matches."
  @spec native_record?(term) :: boolean
  def native_record?(term)
      when is_function(term) or is_pid(term) or is_reference(term) or is_port(term) or
             is_number(term),
      do: false

  def native_record?(term), do: supported?() and apply(:erlang, :is_record, [term])

  @doc "Returns the values of a record's fields, in their order."
  @spec values(record :: term) :: [term]
  def values(record), do: for(name <- names(record), do: apply(:records, :get, [name, record]))

  @doc "Returns the number of a record's fields."
  @spec size(record :: term) :: non_neg_integer
  def size(record), do: record |> names() |> length()

  @doc "Returns the record with `values`, or the record itself if it cannot be updated."
  @spec replace(record :: term, [term]) :: term
  def replace(record, values) do
    fields = record |> names() |> Enum.zip(values) |> Map.new()
    definition = [apply(:records, :get_module, [record]), apply(:records, :get_name, [record])]
    apply(:records, :update, [record | definition] ++ [fields])
  rescue
    _ -> record
  end

  defp names(record), do: apply(:records, :get_field_names, [record])
end
