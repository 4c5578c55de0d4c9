defmodule BoundedXml.Options do
  @moduledoc false
  # Validates the options of `BoundedXml`. The native parser takes the fields that it needs out of the struct, by their names:
  # see `native/nif/src/xml/config.rs`.

  alias Bounded.Native
  alias BoundedXml.Limits

  @limits Limits.defaults()
  @limit_names Keyword.keys(@limits)
  @record_limits Limits.records()
  @unlimited for {limit, :infinity} <- @limits, do: limit

  # Offsets within a token are 32 bits wide.
  @largest_limit 1_073_741_824
  @largest_total 9_223_372_036_854_775_807
  @chunk_bytes 65_536
  @emitted [:cdata, :comments, :processing_instructions, :doctype]
  @recovered [:entities, :characters, :ampersands, :leading_whitespace]

  @common [
            :namespaces,
            :doctype,
            :encoding,
            :limits,
            :skip_whitespace,
            :roots,
            :recover,
            :on_recover
          ] ++
            (@limit_names -- @record_limits)
  @selected [:prefixes, :fields, :required, :as, :positions, :byte_offsets, :scope]
  @allowed %{
    stream: @common ++ [:emit, :text, :positions, :chunk_bytes, :max_ratio],
    select: @common ++ @selected ++ [:max_ratio, :chunk_bytes] ++ @record_limits,
    parser: @common ++ [:emit, :text, :positions],
    record_parser: @common ++ @selected ++ @record_limits,
    parse: (@common -- [:roots]) ++ [:max_ratio, :chunk_bytes] ++ @record_limits
  }

  defstruct [
              namespaces: false,
              emit: [],
              doctype: :internal,
              encoding: nil,
              skip_whitespace: false,
              text: :pieces,
              positions: false,
              prefixes: %{},
              fields: nil,
              required: [],
              as: :tree,
              byte_offsets: false,
              scope: false,
              max_ratio: 1_000,
              recover: [],
              on_recover: nil,
              roots: :one,
              chunk_bytes: @chunk_bytes
            ] ++ @limits

  @doc "Validates the options of `use`: `:stream`, `:select`, `:parse`, `:parser` or `:record_parser`. Raises `ArgumentError`."
  def validate!([], _use), do: %__MODULE__{}

  def validate!(options, use) do
    known!(options, Map.fetch!(@allowed, use))
    {preset, options} = Keyword.pop(options, :limits, :default)
    Enum.each(options, &check!/1)
    preset(preset) |> struct!(options) |> with_namespaces!(options) |> with_recovered()
  end

  # Lists each unknown and each known option once.
  defp known!(options, allowed) do
    Quota.Options.keyword!(options)

    case options |> Keyword.keys() |> Enum.uniq() |> Enum.reject(&(&1 in allowed)) do
      [] ->
        :ok

      unknown ->
        raise ArgumentError,
              "unknown options #{inspect(unknown)}, the options are: #{inspect(Enum.sort(allowed), limit: :infinity)}"
    end
  end

  # Prefixes and their scope need namespaces.
  defp with_namespaces!(%{prefixes: prefixes, scope: false} = options, _given)
       when prefixes == %{},
       do: options

  defp with_namespaces!(options, given) do
    given[:namespaces] == false &&
      raise ArgumentError,
            "#{if(options.scope, do: ":scope", else: ":prefixes")} needs namespaces: true, got: namespaces: false"

    %{options | namespaces: true}
  end

  # Lists each kind once, for the native parser.
  defp with_recovered(%{recover: :all} = options), do: %{options | recover: @recovered}
  defp with_recovered(options), do: %{options | recover: Enum.uniq(options.recover)}

  defp preset(:default), do: %__MODULE__{}
  defp preset(:strict), do: struct!(%__MODULE__{doctype: :reject}, Limits.strict())
  defp preset(:trusted), do: struct!(%__MODULE__{}, Limits.trusted())
  defp preset(other), do: invalid!(:limits, ":strict, :default or :trusted", other)

  defp check!({key, value})
       when key in [:namespaces, :skip_whitespace, :positions, :byte_offsets, :scope] do
    is_boolean(value) || invalid!(key, "true or false", value)
  end

  defp check!({:doctype, value}) do
    value in [:internal, :reject] || invalid!(:doctype, ":internal or :reject", value)
  end

  defp check!({:text, value}) do
    value in [:pieces, :joined] || invalid!(:text, ":pieces or :joined", value)
  end

  defp check!({:roots, value}) do
    value in [:one, :many] || invalid!(:roots, ":one or :many", value)
  end

  defp check!({:emit, value}) do
    listed?(value, @emitted) ||
      invalid!(:emit, "a list of #{Enum.map_join(@emitted, ", ", &inspect/1)}", value)
  end

  defp check!({:prefixes, value}) do
    (is_map(value) and not is_struct(value) and Enum.all?(value, &prefix?/1)) ||
      invalid!(
        :prefixes,
        ~s(a map of prefixes and URIs such as %{"dc" => "http://purl.org/dc/elements/1.1/"}),
        value
      )
  end

  defp check!({:recover, value}) do
    value == :all or listed?(value, @recovered) ||
      invalid!(
        :recover,
        ":all or a list of #{Enum.map_join(@recovered, ", ", &inspect/1)}",
        value
      )
  end

  defp check!({:on_recover, value}) do
    is_nil(value) or is_function(value, 1) ||
      invalid!(:on_recover, "a function that takes {kind, text, {line, column}}", value)
  end

  # `BoundedXml.Selection` checks these.
  defp check!({key, _value}) when key in [:fields, :required, :as], do: true

  defp check!({:encoding, nil}), do: true

  defp check!({:encoding, value}) do
    is_binary(value) ||
      invalid!(:encoding, "nil or the name of an encoding such as \"windows-1252\"", value)

    (String.valid?(value) and Native.xml_encoding?(value)) ||
      raise ArgumentError,
            ":encoding #{inspect(value, printable_limit: 40)} is not supported. " <>
              "BoundedXml.encodings/0 lists the supported encodings"
  end

  defp check!({:chunk_bytes, value}) do
    (is_integer(value) and value in 1..@chunk_bytes) ||
      invalid!(:chunk_bytes, "a number of bytes from 1 to #{@chunk_bytes}", value)
  end

  defp check!({key, value}) when key in [:max_ratio | @unlimited] do
    value == :infinity or (is_integer(value) and value in 1..@largest_total) ||
      invalid!(key, "a positive integer or :infinity", value)
  end

  defp check!({key, value}) do
    (is_integer(value) and value in 1..@largest_limit) ||
      invalid!(key, "an integer from 1 to #{@largest_limit}", value)
  end

  defp listed?(value, known),
    do: is_list(value) and not List.improper?(value) and Enum.all?(value, &(&1 in known))

  defp prefix?({prefix, uri}) do
    is_binary(prefix) and BoundedXml.Path.ncname?(prefix) and is_binary(uri) and
      String.valid?(uri) and
      uri != ""
  end

  defp invalid!(key, expected, value) do
    raise ArgumentError, "#{inspect(key)} must be #{expected}, got: #{inspect(value)}"
  end
end
