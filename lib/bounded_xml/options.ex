defmodule BoundedXml.Options do
  @moduledoc false
  # Validates the options of `BoundedXml` and turns them into what the native parser is made of.

  alias Bounded.Native

  @kib 1024
  @mib 1024 * 1024

  # `:strict` divides the limits in bytes by 8, `:trusted` multiplies these and the counts by 64.
  @bytes [
    max_name_bytes: 1 * @kib,
    max_attribute_bytes: 4 * @mib,
    max_token_bytes: 8 * @mib,
    max_dtd_bytes: 64 * @kib,
    max_entity_bytes: 1 * @mib,
    max_text_bytes: 4 * @mib,
    max_record_bytes: 16 * @mib
  ]
  @counts [
    max_depth: 256,
    max_attributes: 256,
    max_namespaces: 128,
    max_entities: 2_500,
    max_entity_expansions: 500_000,
    max_entity_depth: 20,
    max_amplification: 100,
    max_recoveries: 100_000
  ]
  @totals [max_bytes: :infinity, max_elements: :infinity]
  @limits @bytes ++ @counts ++ @totals
  @limit_names Keyword.keys(@limits)

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
            (@limit_names -- [:max_record_bytes])
  @allowed %{
    stream: @common ++ [:emit, :text, :positions, :chunk_bytes, :max_ratio],
    select: @common ++ [:max_ratio, :chunk_bytes, :max_record_bytes, :prefixes],
    parser: @common ++ [:emit, :text, :positions]
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
              max_ratio: 1_000,
              recover: [],
              on_recover: nil,
              roots: :one,
              chunk_bytes: @chunk_bytes
            ] ++ @limits

  @doc "The options of `use`, one of `:stream`, `:select` and `:parser`, checked."
  def validate!([], _use), do: %__MODULE__{}

  def validate!(options, use) do
    known!(options, Map.fetch!(@allowed, use))
    {preset, options} = Keyword.pop(options, :limits, :default)
    Enum.each(options, &check!/1)
    preset(preset) |> struct!(options) |> with_prefixes!(options)
  end

  # An unknown option is listed once, however often it was given, and so is each that there is.
  defp known!(options, allowed) do
    Keyword.keyword?(options) ||
      raise ArgumentError, "options are a keyword list, got: #{inspect(options, limit: 5)}"

    case options |> Keyword.keys() |> Enum.uniq() |> Enum.reject(&(&1 in allowed)) do
      [] ->
        :ok

      unknown ->
        raise ArgumentError,
              "unknown options #{inspect(unknown)}, the options are: #{inspect(Enum.sort(allowed), limit: :infinity)}"
    end
  end

  # Prefixes mean something only where names have namespaces.
  defp with_prefixes!(%{prefixes: prefixes} = options, _given) when prefixes == %{}, do: options

  defp with_prefixes!(options, given) do
    given[:namespaces] == false &&
      raise ArgumentError, "prefixes: stand for namespaces, which namespaces: false turns off"

    %{options | namespaces: true}
  end

  @doc "The options as `Bounded.Native.xml_open/5` and `xml_new/1` take them."
  def config(%__MODULE__{} = options) do
    {
      options.namespaces,
      options.doctype == :reject,
      options.encoding,
      options.skip_whitespace,
      options.text == :joined,
      options.positions,
      options.roots == :many,
      recover(options),
      List.to_tuple(for event <- @emitted, do: event in options.emit),
      List.to_tuple(for limit <- @limit_names, do: native(Map.fetch!(options, limit)))
    }
  end

  defp recover(%{recover: recover, on_recover: fun}) do
    asked = if recover == :all, do: @recovered, else: recover
    List.to_tuple(for(kind <- @recovered, do: kind in asked) ++ [fun != nil])
  end

  defp native(:infinity), do: nil
  defp native(limit), do: limit

  defp preset(:default), do: %__MODULE__{}

  defp preset(:strict) do
    struct!(%__MODULE__{doctype: :reject}, for({key, n} <- @bytes, do: {key, div(n, 8)}))
  end

  defp preset(:trusted) do
    struct!(%__MODULE__{}, for({key, n} <- @bytes ++ @counts, do: {key, n * 64}))
  end

  defp preset(other), do: invalid!(:limits, ":strict, :default or :trusted", other)

  defp check!({key, value}) when key in [:namespaces, :skip_whitespace, :positions] do
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
    (is_list(value) and value -- @emitted == []) ||
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
    value == :all or (is_list(value) and Enum.all?(value, &(&1 in @recovered))) ||
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

  defp check!({:encoding, nil}), do: true

  defp check!({:encoding, value}) do
    is_binary(value) ||
      invalid!(:encoding, "nil or the name of an encoding such as \"windows-1252\"", value)

    (String.valid?(value) and Native.xml_encoding?(value)) ||
      raise ArgumentError,
            "encoding: #{inspect(value, printable_limit: 40)} is not an encoding that is read. " <>
              "BoundedXml.encodings/0 lists those that are"
  end

  defp check!({:chunk_bytes, value}) do
    (is_integer(value) and value in 1..@chunk_bytes) ||
      invalid!(:chunk_bytes, "a number of bytes from 1 to #{@chunk_bytes}", value)
  end

  defp check!({key, value}) when key in [:max_bytes, :max_elements, :max_ratio] do
    value == :infinity or (is_integer(value) and value in 1..@largest_total) ||
      invalid!(key, "a positive integer or :infinity", value)
  end

  defp check!({key, value}) do
    (is_integer(value) and value in 1..@largest_limit) ||
      invalid!(key, "an integer from 1 to #{@largest_limit}", value)
  end

  defp prefix?({prefix, uri}) do
    is_binary(prefix) and BoundedXml.Path.ncname?(prefix) and is_binary(uri) and
      String.valid?(uri) and
      uri != ""
  end

  defp invalid!(key, expected, value) do
    raise ArgumentError, "#{inspect(key)} must be #{expected}, got: #{inspect(value)}"
  end
end
