defmodule BoundedBinary.Encode do
  @moduledoc false
  # `BoundedBinary.term_to_binary/2`: how large the result becomes is found before any of it is made. The external term
  # format has no sharing: a term of 640 bytes can take 16 TiB in it. The walk ends as soon as it has counted more than is
  # allowed, and yields like any Elixir code; the VM's own count does neither.

  alias Bounded.{Arena, Native, NativeRecord}
  alias BoundedBinary.DecodeError
  alias Quota.Figures

  # The longest list of bytes that is written as a string, a byte each.
  @longest_string 65_535
  @integer 5
  # What an identifier takes besides the name of its node, which has at most 255 characters, and what a function takes besides what
  # it captured.
  @identifier 1_060
  @function 2_200
  # What a native record and each of its fields take besides the values: names of at most 255 characters.
  @record_names 2_100
  @field_name 1_030

  # `UNLIMITED` of the core.
  @unlimited 0xFFFF_FFFF_FFFF_FFFF

  @doc "The term in the external term format. `options` are those of `:erlang.term_to_binary/2`."
  def run(term, max_bytes, options) do
    size = size!(term, max_bytes)
    :ok = Arena.charged(fn -> room(size) end)
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

  # Whether it is the option, and not the quota, that allows no more.
  defp larger_than_allowed?(:infinity), do: false
  defp larger_than_allowed?(max_bytes), do: max_bytes <= left()

  # Bytes that the quota of the calling process has left; where there is none, more than any machine has.
  defp left do
    case Figures.observe_own() do
      :unlimited -> Bitwise.bsl(1, 60)
      left -> left
    end
  end

  # The result is a binary of the VM's, which counts it: here it is only asked whether there is room.
  defp room(size) do
    case Figures.observe_own() do
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

  # Bytes left of `left` behind `term`. Below zero the walk ends at the next term.
  defp size(_term, left) when left < 0, do: throw(:larger)
  defp size(term, left) when is_integer(term) and term in 0..255, do: left - 2

  defp size(term, left) when is_integer(term) and term in -0x8000_0000..0x7FFF_FFFF,
    do: left - @integer

  # The VM's count looks at one number or atom alone, and has the version in it.
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
    items(env, left - @function)
  end

  defp size(term, left) when is_pid(term) or is_port(term) or is_reference(term),
    do: left - @identifier

  defp size(term, left) do
    if NativeRecord.native_record?(term) do
      values = NativeRecord.values(term)
      items(values, left - @record_names - @field_name * length(values))
    else
      raise ArgumentError, "term_to_binary: a kind of term that this library does not know"
    end
  end

  defp items(_items, left) when left < 0, do: throw(:larger)
  defp items([item | items], left), do: items(items, size(item, left))
  defp items(tail, left), do: size(tail, left)

  # The length of a list that is written as a string, else nil.
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
