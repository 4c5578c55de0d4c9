defmodule BoundedBinary.Encode do
  @moduledoc false
  # Implements `BoundedBinary.term_to_binary/2`. The size of the result is computed before any of it is allocated: the external
  # term format has no sharing, so a term of 640 bytes can take 16 TiB in it. The computation ends as soon as it exceeds the
  # limit, and yields like any Elixir code. `:erlang.external_size/1` does neither.

  alias Bounded.{Native, NativeRecord}
  alias BoundedBinary.DecodeError
  alias Quota.Account.Reservation
  alias Quota.Watch.ProcessStats

  # The longest list of bytes that is encoded as a string, with one byte each.
  @longest_string 65_535
  @integer_bytes 5
  # Maximum bytes of an identifier, whose node name has at most 255 characters, and of a function without its captured terms.
  @identifier_bytes 1_060
  @function_bytes 2_200
  # Maximum bytes of a native record, and of each of its fields, without the values: names have at most 255 characters.
  @record_bytes 2_100
  @field_bytes 1_030

  # `UNLIMITED` of the core.
  @unlimited 0xFFFF_FFFF_FFFF_FFFF

  @doc "Encodes `term` in the external term format, with the `options` of `:erlang.term_to_binary/2`."
  def run(term, max_bytes, options) do
    size = size!(term, max_bytes)
    :ok = Reservation.charged(fn -> room(size) end)
    :erlang.term_to_binary(term, options)
  end

  defp size!(term, max_bytes) do
    most = if max_bytes == :infinity, do: left(), else: min(max_bytes, left())
    # The first byte is the format's version.
    rest = size(term, most - 1)
    if rest < 0, do: throw(:larger), else: most - rest
  catch
    :larger ->
      if larger_than_allowed?(max_bytes),
        do:
          raise(
            DecodeError.new(
              :limit,
              "encoded, it takes more than #{max_bytes} bytes (option max_bytes)"
            )
          ),
        else: raise(Quota.ExceededError.own(left() + 1))
  end

  # Whether the option was the smaller limit, not the quota.
  defp larger_than_allowed?(:infinity), do: false
  defp larger_than_allowed?(max_bytes), do: max_bytes <= left()

  # Bytes that are left in the quota of the calling process. Without a quota, more than any machine has.
  defp left do
    case ProcessStats.observe_own() do
      :unlimited -> Bitwise.bsl(1, 60)
      left -> left
    end
  end

  # Checks for room without charging it: the result is an ordinary binary, which the VM counts.
  defp room(size) do
    case ProcessStats.observe_own() do
      left when left == :unlimited or left >= size -> :ok
      left -> {:error, {:refused, {size, own_limit(), left}}}
    end
  end

  defp own_limit do
    case Native.own_usage() do
      {limit, _usage, _label} -> limit
      nil -> @unlimited
    end
  end

  # Returns `left` less the encoded size of `term`. Below zero, the computation ends at the next term.
  defp size(_term, left) when left < 0, do: throw(:larger)
  defp size(term, left) when is_integer(term) and term in 0..255, do: left - 2

  defp size(term, left) when is_integer(term) and term in -0x8000_0000..0x7FFF_FFFF,
    do: left - @integer_bytes

  # For a single number or atom `external_size/1` is cheap. It includes the version byte.
  defp size(term, left) when is_number(term) or is_atom(term),
    do: left - :erlang.external_size(term) + 1

  defp size(term, left) when is_binary(term), do: left - 5 - byte_size(term)
  defp size(term, left) when is_bitstring(term), do: left - 6 - byte_size(term)
  defp size([], left), do: left - 1

  defp size([_ | _] = list, left) do
    case string(list, 0) do
      nil -> items(list, left - 5)
      length -> left - 3 - length
    end
  end

  defp size(term, left) when is_tuple(term) do
    head = if tuple_size(term) <= 255, do: 2, else: 5
    elements(term, tuple_size(term), left - head)
  end

  defp size(term, left) when is_map(term), do: pairs(:maps.next(:maps.iterator(term)), left - 5)

  defp size(term, left) when is_function(term) do
    {:env, env} = :erlang.fun_info(term, :env)
    items(env, left - @function_bytes)
  end

  defp size(term, left) when is_pid(term) or is_port(term) or is_reference(term),
    do: left - @identifier_bytes

  defp size(term, left) do
    if NativeRecord.native_record?(term) do
      values = NativeRecord.values(term)
      items(values, left - @record_bytes - @field_bytes * length(values))
    else
      raise ArgumentError, "BoundedBinary.term_to_binary/2 does not know this kind of term"
    end
  end

  defp items(_items, left) when left < 0, do: throw(:larger)
  defp items([item | items], left), do: items(items, size(item, left))
  defp items(tail, left), do: size(tail, left)

  # The length of a list that is encoded as a string, else nil.
  defp string(_list, length) when length > @longest_string, do: nil
  defp string([], length), do: length
  defp string([byte | list], length) when byte in 0..255, do: string(list, length + 1)
  defp string(_other, _length), do: nil

  defp elements(_tuple, 0, left), do: left
  defp elements(_tuple, _n, left) when left < 0, do: throw(:larger)

  defp elements(tuple, n, left),
    do: elements(tuple, n - 1, size(:erlang.element(n, tuple), left))

  defp pairs(:none, left), do: left

  defp pairs({key, value, iterator}, left),
    do: pairs(:maps.next(iterator), size(value, size(key, left)))
end
