defmodule BoundedXml.Selection.Fields do
  @moduledoc false
  # Parses the fields of records into those that `Bounded.Native.xml_open/5` takes:
  # `{key, a list?, name if it is required | nil, steps, source}`, where `source` is `:text`, `:raw`, `{:attribute, {uri, local}}`,
  # `{:around, {uri, local}}` with steps from the root element on, or `{:records, fields}`.

  alias BoundedXml.Path

  @max_fields 1_024
  @max_nested 8

  @doc """
  Returns `{fields, converters}`, or raises `ArgumentError`. A converter is `{key, function}`, or `{key, converters}` for
  records in the record.
  """
  def parse!(fields, required, options) do
    (is_list(required) and not List.improper?(required) and Enum.all?(required, &is_atom/1)) ||
      raise ArgumentError,
            ":required must be a list of keys of fields, got: #{inspect(required, limit: 5)}"

    {parsed, converters} = fields!(fields, required, options, 1)

    case required -- Keyword.keys(fields) do
      [] -> :ok
      unknown -> raise ArgumentError, ":required has #{inspect(unknown)}, which no field is named"
    end

    count(parsed) <= @max_fields ||
      raise ArgumentError,
            "a record has #{count(parsed)} fields, of which there may be #{@max_fields}"

    {parsed, converters}
  end

  defp fields!(fields, required, options, nested) do
    Keyword.keyword?(fields) ||
      raise ArgumentError,
            ~s(fields are a keyword list such as [title: "title"], got: #{inspect(fields, limit: 5)})

    keys = Keyword.keys(fields)

    keys == Enum.uniq(keys) ||
      raise ArgumentError, "the field #{inspect(hd(keys -- Enum.uniq(keys)))} is there twice"

    nested <= @max_nested ||
      raise ArgumentError, "records are nested more than #{@max_nested} deep"

    parsed = Enum.map(fields, &field!(&1, required, options, nested))
    {Enum.map(parsed, &elem(&1, 0)), Enum.flat_map(parsed, &elem(&1, 1))}
  end

  defp field!({key, {:all, path}}, required, options, _nested),
    do: {{key, true, name(key, required)} |> with_path!(path, options), []}

  defp field!({key, {:map, path, fun}}, required, options, _nested) when is_function(fun, 1),
    do: {{key, false, name(key, required)} |> with_path!(path, options), [{key, fun}]}

  defp field!({key, {:records, path, fields}}, required, options, nested) do
    steps = element!(path, options)
    {fields, converters} = fields!(fields, [], options, nested + 1)
    converters = if converters == [], do: [], else: [{key, converters}]
    {{key, true, name(key, required), steps, {:records, fields}}, converters}
  end

  defp field!({key, {:raw, _path} = source}, required, options, _nested),
    do: {{key, false, name(key, required)} |> with_path!(source, options), []}

  defp field!({key, path}, required, options, _nested) when is_binary(path) or is_list(path),
    do: {{key, false, name(key, required)} |> with_path!(path, options), []}

  defp field!({key, other}, _required, _options, _nested) do
    raise ArgumentError,
          "the field #{inspect(key)} must be a path, {:raw, path}, {:all, path}, {:map, path, function of one argument} " <>
            "or {:records, path, fields}, got: #{inspect(other, limit: 5)}"
  end

  defp with_path!({key, many?, name}, {:raw, path}, options) do
    case Path.field!(path, options.namespaces, options.prefixes) do
      {:record, steps, nil} ->
        {key, many?, name, steps, :raw}

      _attribute ->
        raise ArgumentError, "#{inspect(path)} leads to an attribute, which has no source text"
    end
  end

  defp with_path!({key, many?, name}, path, options) do
    case Path.field!(path, options.namespaces, options.prefixes) do
      {:record, steps, nil} ->
        {key, many?, name, steps, :text}

      {:record, steps, attribute} ->
        {key, many?, name, steps, {:attribute, attribute}}

      {:root, _steps, _attribute} when many? ->
        raise ArgumentError,
              "#{inspect(path)} is one attribute around the record, which :all does not take"

      {:root, steps, attribute} ->
        {key, false, name, steps, {:around, attribute}}
    end
  end

  defp element!(path, options) do
    case Path.field!(path, options.namespaces, options.prefixes) do
      {:record, [_ | _] = steps, nil} ->
        steps

      _other ->
        raise ArgumentError,
              "records are elements in the record, which #{inspect(path)} does not lead to"
    end
  end

  defp name(key, required), do: if(key in required, do: Atom.to_string(key))

  defp count(fields) do
    Enum.reduce(fields, 0, fn
      {_, _, _, _, {:records, fields}}, sum -> sum + 1 + count(fields)
      _field, sum -> sum + 1
    end)
  end
end
