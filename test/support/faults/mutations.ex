defmodule Bounded.Test.Mutations do
  @moduledoc false
  # Random data, damaged at random, against what the VM makes of the same bytes. From the seed of `:rand`.

  alias Bounded.Test.Random

  # Bytes of the declared size of a compressed term that the VM is asked to decode: it takes as many before it reads on.
  @declared 1024 * 1024
  # Tags that the VM writes only for itself, and reads from anywhere; the library refuses them.
  @internal ["I", "J", "K"]
  @paths [
    "rss/channel/item",
    "//a/@b",
    "*/x[@a='1'][@b!=\"2\"][@c]",
    "a//b/*/@c",
    ".",
    "/rss/@version",
    "p:a/p:b[@p:c='x']"
  ]
  @path_bytes [?/, ?@, ?[, ?], ?', ?", ?=, ?!, ?*, ?., ?:, ?a, ?b, ?\s, ?-, 0, 0xC3, 0xA9, 0xFF]
  @document ~s(<rss version="2"><channel><item a="1" b="3"><a b="x">t</a></item></channel><a/></rss>)

  @doc "The kinds of data that `check/1` knows."
  def kinds, do: [:external_term, :inflate, :path]

  @doc """
  Makes one random case of `kind` and checks it. Returns `:accepted` or `:refused`; raises where the library and the VM differ, or
  where an error is none of those that are documented.
  """
  def check(:external_term) do
    damaged = 4 |> Random.term(fn -> Random.bytes(200) end) |> encoded() |> damaged()
    compare(damaged, &to_term/1, &vm_term/1)
  end

  def check(:inflate) do
    {compress, format, inflate} =
      Enum.random([
        {&:zlib.gzip/1, :gzip, &:zlib.gunzip/1},
        {&:zlib.compress/1, :zlib, &:zlib.uncompress/1},
        {&:zlib.zip/1, :raw, &:zlib.unzip/1}
      ])

    data = Random.bytes(3_000)
    data = Enum.random([data, String.duplicate(data, 3), :binary.copy("a", byte_size(data))])
    members = if format == :gzip and :rand.uniform(4) == 1, do: [data, data], else: [data]
    damaged = members |> Enum.map_join(compress) |> damaged()
    compare(damaged, &inflated(&1, format), &vm_inflated(&1, inflate))
  end

  def check(:path) do
    path = Enum.random([Enum.random(@paths), Random.bytes(40)]) |> damaged(@path_bytes)

    for options <- [[], [namespaces: true, prefixes: %{"p" => "urn:p"}], [fields: [f: path]]] do
      selected = if options[:fields], do: "rss/channel/item", else: path
      [@document] |> BoundedXml.select(selected, options) |> Enum.to_list()
    end

    :accepted
  rescue
    # The VM's own errors of an argument that it does not take have other messages.
    error in ArgumentError ->
      true = Exception.message(error) =~ ~r/path|field/
      :refused
  end

  defp encoded(term) do
    options = Enum.random([[], [], [:compressed], [minor_version: 2], [minor_version: 0]])
    :erlang.term_to_binary(term, options)
  end

  # Where the VM takes it, so does the library, with the same value, and the other way round.
  defp compare(bytes, ours, vms) do
    case {ours.(bytes), vms.(bytes)} do
      {{:ok, value}, {kind, value}} when kind in [:ok, :internal] ->
        :accepted

      {:error, :error} ->
        :refused

      {_, :unknown} ->
        :refused

      {:error, {:internal, _}} ->
        :refused

      {ours, vms} ->
        raise "#{inspect(bytes, limit: :infinity)}: #{inspect(ours)}, the VM #{inspect(vms)}"
    end
  end

  defp to_term(bytes) do
    {:ok, BoundedBinary.to_term(bytes, allow: [:function, :reference, :port, :external])}
  rescue
    BoundedBinary.DecodeError -> :error
  end

  defp vm_term(<<131, 80, size::32, _::binary>>) when size > @declared, do: :unknown
  # What it refuses in any case, see its documentation.
  defp vm_term(<<131, 121, _::binary>>), do: :unknown

  defp vm_term(bytes) do
    {term, used} = :erlang.binary_to_term(bytes, [:safe, :used])

    cond do
      used < byte_size(bytes) -> :unknown
      :binary.match(bytes, @internal) == :nomatch -> {:ok, term}
      true -> {:internal, term}
    end
  rescue
    ArgumentError -> :error
  end

  defp inflated(bytes, format) do
    {:ok, BoundedBinary.inflate(bytes, format: format)}
  rescue
    BoundedBinary.DecodeError -> :error
  end

  defp vm_inflated(bytes, inflate) do
    {:ok, inflate.(bytes)}
  rescue
    _error in [ErlangError, ArgumentError] -> :error
  end

  defp damaged(data, bytes \\ Enum.to_list(0..255)),
    do: Enum.reduce(1..(:rand.uniform(4) - 1)//1, data, fn _, data -> damage(data, bytes) end)

  defp damage("", bytes), do: <<Enum.random(bytes)>>

  defp damage(data, bytes) do
    at = :rand.uniform(byte_size(data)) - 1
    before = binary_part(data, 0, at)
    <<byte, rest::binary>> = binary_part(data, at, byte_size(data) - at)
    other = Enum.random(bytes)

    case :rand.uniform(6) do
      1 ->
        before

      2 ->
        <<before::binary, other, rest::binary>>

      3 ->
        <<before::binary, rest::binary>>

      4 ->
        <<before::binary, byte, other, rest::binary>>

      5 ->
        <<before::binary, Bitwise.bxor(byte, Bitwise.bsl(1, :rand.uniform(8) - 1)), rest::binary>>

      6 ->
        <<before::binary, byte, before::binary, rest::binary>>
    end
  end
end
