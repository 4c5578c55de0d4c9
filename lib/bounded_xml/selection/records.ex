defmodule BoundedXml.Selection.Records do
  @moduledoc false
  # Calls the functions of fields. Records come with their places where a selection has any such function.

  alias BoundedXml.FieldError

  @doc "The record as the caller receives it, with its place if it asked for that. `converters` are those of each label."
  def convert({record, place}, converters, true),
    do: {labelled(record, place, converters), place}

  def convert({record, place}, converters, false), do: labelled(record, place, converters)

  def convert({record, place, range}, converters, true),
    do: {labelled(record, place, converters), place, range}

  def convert({record, place, range}, converters, false),
    do: {labelled(record, place, converters), range}

  defp labelled({label, record}, place, converters) when is_atom(label),
    do: {label, fields(record, place, Map.get(converters, label, []))}

  defp labelled(record, place, converters),
    do: fields(record, place, Map.get(converters, nil, []))

  defp fields(record, place, converters) do
    Enum.reduce(converters, record, fn {key, converter}, record ->
      case record do
        %{^key => nil} -> record
        %{^key => value} -> %{record | key => value(value, key, place, converter)}
      end
    end)
  end

  defp value(records, _key, place, converters) when is_list(converters),
    do: Enum.map(records, &fields(&1, place, converters))

  defp value(value, key, {line, column}, fun) do
    fun.(value)
  rescue
    exception ->
      error = %FieldError{
        field: key,
        value: value,
        line: line,
        column: column,
        exception: exception
      }

      reraise error, __STACKTRACE__
  end
end
