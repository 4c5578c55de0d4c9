defmodule BoundedXml.Encode.Options do
  @moduledoc false
  # Validates the options of `BoundedXml.encode/2` and its siblings, and turns them into what the native writer is made of.

  @allowed [:declaration, :indent, :empty, :quote, :prefixes]
  @most_spaces 16

  @doc "The options as `Bounded.Native.xml_encode/3` takes them."
  def setup!(options, extra \\ []) do
    known!(options, @allowed ++ extra)
    options = Keyword.drop(options, extra)
    Enum.each(options, &check!/1)

    {
      options[:empty] == :expand,
      options[:quote] == :single,
      options[:indent] || nil,
      Enum.to_list(options[:prefixes] || %{}),
      declaration(Keyword.get(options, :declaration, :auto))
    }
  end

  @doc "The root around all items, if there is one. Its names are checked as it is written."
  def root!(nil), do: nil
  def root!({_name, attributes} = root) when is_list(attributes), do: root

  def root!(other),
    do: invalid!(:root, ~s(a name and attributes such as {"rss", [{"version", "2.0"}]}), other)

  @doc "The same where the root is given: no event says what the declaration is."
  def without_auto({_, _, _, _, :auto} = setup), do: put_elem(setup, 4, nil)
  def without_auto(setup), do: setup

  defp known!(options, allowed) do
    Keyword.keyword?(options) ||
      raise ArgumentError, "options are a keyword list, got: #{inspect(options, limit: 5)}"

    case options |> Keyword.keys() |> Enum.uniq() |> Enum.reject(&(&1 in allowed)) do
      [] ->
        :ok

      unknown ->
        raise ArgumentError,
              "unknown options #{inspect(unknown)}, the options are: #{inspect(Enum.sort(allowed))}"
    end
  end

  defp declaration(:auto), do: :auto
  defp declaration(none) when none in [false, nil], do: nil
  defp declaration(true), do: declaration([])

  defp declaration(properties) do
    {
      Keyword.get(properties, :version, "1.0"),
      Keyword.get(properties, :encoding, "UTF-8") != nil,
      Keyword.get(properties, :standalone)
    }
  end

  defp check!({:declaration, value}) when value in [:auto, true, false, nil], do: :ok

  defp check!({:declaration, value}) do
    (Keyword.keyword?(value) and Enum.all?(value, &declared?/1)) ||
      invalid!(
        :declaration,
        ~s(true, false, :auto or a keyword list with version: "1.0", encoding: "UTF-8" or nil, standalone: true or false),
        value
      )
  end

  defp check!({:indent, value}) do
    value in [nil, false] or (is_integer(value) and value in 0..@most_spaces) ||
      invalid!(:indent, "a number of spaces from 0 to #{@most_spaces}, or nil", value)
  end

  defp check!({:empty, value}) do
    value in [:collapse, :expand] || invalid!(:empty, ":collapse or :expand", value)
  end

  defp check!({:quote, value}) do
    value in [:double, :single] || invalid!(:quote, ":double or :single", value)
  end

  defp check!({:prefixes, value}) do
    (is_map(value) and not is_struct(value) and Enum.all?(value, &prefix?/1)) ||
      invalid!(
        :prefixes,
        ~s(a map of prefixes and URIs such as %{"dc" => "http://purl.org/dc/elements/1.1/"}, "" for names without a prefix),
        value
      )
  end

  defp declared?({:version, value}), do: is_binary(value) and value =~ ~r/\A1\.[0-9]{1,8}\z/
  defp declared?({:encoding, nil}), do: true
  defp declared?({:encoding, value}), do: is_binary(value) and String.upcase(value) == "UTF-8"
  defp declared?({:standalone, value}), do: is_boolean(value) or is_nil(value)
  defp declared?(_other), do: false

  defp prefix?({prefix, uri}) do
    is_binary(prefix) and (prefix == "" or BoundedXml.Path.ncname?(prefix)) and
      prefix not in ["xml", "xmlns"] and is_binary(uri) and String.valid?(uri) and uri != ""
  end

  defp invalid!(key, expected, value) do
    raise ArgumentError, "#{inspect(key)} must be #{expected}, got: #{inspect(value, limit: 20)}"
  end
end
