defmodule Bounded.NativeRecord do
  @moduledoc false
  # Native records, new in OTP 29: terms of a kind of their own, which no guard of Elixir tells. Earlier releases have
  # none of these functions, so they are called by name.

  @doc "Whether this release of OTP has native records."
  @spec supported? :: boolean
  def supported?, do: function_exported?(:erlang, :is_record, 1)

  @doc "Whether `term` is one. Asked of what no guard tells: functions and identifiers are told here, others never are."
  @spec native_record?(term) :: boolean
  def native_record?(term)
      when is_function(term) or is_pid(term) or is_reference(term) or is_port(term) or
             is_number(term),
      do: false

  def native_record?(term), do: supported?() and apply(:erlang, :is_record, [term])

  @doc "The values of a record's fields, in their order."
  @spec values(record :: term) :: [term]
  def values(record), do: for(name <- names(record), do: apply(:records, :get, [name, record]))

  @doc "The record with `values` in place of its own; the same record where nobody may make such a one."
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
