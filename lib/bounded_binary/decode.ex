defmodule BoundedBinary.Decode do
  @moduledoc false
  # Decodes the external term format. The memory of a term is computed before it is decoded.

  alias Bounded.{Bytes, Native, NativeRecord}
  alias BoundedBinary.{Copy, DecodeError, Inflate}
  alias Quota.Account.Reservation

  @doc "Decodes `binary` unless the term takes more than `max_bytes` or is of a kind that is not in `allow`."
  def decode(<<131, 80, size::32, data::binary>>, max_bytes, allow) do
    if size > max_bytes, do: raise(Inflate.too_large(max_bytes))

    case Inflate.exactly(data, <<131>>, size) do
      {:ok, binary} ->
        decode_plain(binary, max_bytes, allow)

      :error ->
        raise DecodeError.new(:malformed, "compressed term does not have its declared size", 2)
    end
  end

  def decode(<<131, 121, _::binary>>, _max_bytes, _allow) do
    reason =
      "encoded with the option :local of :erlang.term_to_binary/2, so its size cannot be computed before " <>
        "it is decoded: encode it without that option"

    raise DecodeError.new(:malformed, reason, 1)
  end

  def decode(<<131, _::binary>> = binary, max_bytes, allow) do
    decode_plain(aligned(binary), max_bytes, allow)
  end

  def decode("", _max_bytes, _allow), do: raise(DecodeError.new(:truncated, "no term", 0))

  def decode(binary, _max_bytes, _allow) when is_binary(binary) do
    raise DecodeError.new(:malformed, "does not start with the external format's version 131", 0)
  end

  defp decode_plain(binary, max_bytes, allow) do
    decoded = walk(binary, {1, 1, 0}, max_bytes, {allowed(allow), this_node()})
    Reservation.charged(fn -> Native.binary_room(decoded) end)
    to_term(binary)
  end

  # In the order that the native function expects.
  defp allowed(allow) do
    {:function in allow, :reference in allow, :port in allow, :external in allow,
     NativeRecord.supported?()}
  end

  # Identifiers of this node have this name and creation.
  defp this_node, do: {Atom.to_string(node()), :erlang.system_info(:creation)}

  defp walk(binary, position, max_bytes, {allowed, node} = rules) do
    case Native.binary_walk_term(binary, position, limit(max_bytes), allowed, node) do
      {:more, position} -> walk(binary, position, max_bytes, rules)
      {:ok, decoded} -> decoded
      {:error, {kind, {detail, offset}}} -> raise error(kind, detail, offset, max_bytes)
    end
  end

  # The largest limit that the native function takes. Every number is smaller than the atom `:infinity`.
  defp limit(max_bytes), do: min(max_bytes, Bitwise.bsl(1, 63))

  # With `[:safe]` no atoms are created.
  defp to_term(binary) do
    :erlang.binary_to_term(binary, [:safe])
  rescue
    ArgumentError ->
      reraise DecodeError.new(:forbidden, "holds an atom that does not exist, or is damaged"),
              __STACKTRACE__
  end

  # The VM would copy a binary that does not start on a byte at every native call.
  defp aligned(binary) do
    if Bytes.aligned?(binary), do: binary, else: Copy.run(binary)
  end

  defp error(:limit, _bytes, offset, max_bytes) do
    %{Inflate.too_large(max_bytes) | byte_offset: offset}
  end

  defp error(:truncated, _, offset, _) do
    DecodeError.new(:truncated, "term ends too early, or a declared length is too large", offset)
  end

  defp error(:malformed, _, offset, _) do
    DecodeError.new(:malformed, "unknown kind of term", offset)
  end

  defp error(:forbidden, "native record", offset, _) do
    reason = "holds a native record, which OTP #{:erlang.system_info(:otp_release)} cannot decode"
    DecodeError.new(:forbidden, reason, offset)
  end

  defp error(:forbidden, kind, offset, _) do
    DecodeError.new(
      :forbidden,
      "holds #{article(kind)}, which is not allowed (option allow)",
      offset
    )
  end

  defp article("identifier" <> _ = kind), do: "an #{kind}"
  defp article(kind), do: "a #{kind}"
end
