defmodule Quota.FlatSize do
  @moduledoc false
  # How large a term becomes when it is sent to another process, where sharing is lost: 640 bytes can
  # be 16 TiB. The walk ends as soon as it has counted more than is allowed, yields like any Elixir
  # code, and its own stack counts towards the quota of the process that walks.
  #
  # Bytes of binaries outside the heap are not counted: they are not copied.

  alias Bounded.{Cgroup, NativeRecord}
  alias Quota.Vm

  import Bitwise, only: [<<<: 2]

  @small_integer 1 <<< 59
  # A binary of more than 64 bytes, or part of one, takes up to so many words where it is referred to.
  @binary_words 11
  @heap_binary_bytes 64

  # A native record with its definition, as OTP 29 lays it out: 8 words without fields, 9 and 3 a field with some.
  @record_words 9
  @field_words 3
  @small_map 32

  # The part of the node's memory that one answer may take: it arrives as a message, and is collected with that.
  @part 4
  # Where the memory cannot be seen.
  @unseen 1 <<< 34

  @doc "Bytes of the largest answer that is sent where no limit is enforced: more would end the node."
  def deliverable, do: div(Cgroup.memory(Cgroup.find()).limit || @unseen, @part)

  @doc "Whether the term takes at most `limit` bytes where it is sent to."
  def at_most?(term, limit) do
    words(term, div(limit, Vm.bytes(1)))
    true
  catch
    :larger -> false
  end

  # Words left of `left` after `term`. Throws rather than go below zero.
  defp words(_, left) when left < 0, do: throw(:larger)
  defp words(term, left) when is_atom(term), do: left

  defp words(term, left)
       when is_integer(term) and term < @small_integer and term >= -@small_integer,
       do: left

  defp words([], left), do: left
  defp words(term, left) when is_pid(term) and node(term) == node(), do: left
  defp words([head | tail], left), do: words(tail, words(head, left - 2))
  defp words({}, left), do: left

  defp words(term, left) when is_tuple(term) do
    size = tuple_size(term)
    elements(term, size, left - size - 1)
  end

  defp words(term, left) when is_bitstring(term) do
    if byte_size(term) <= @heap_binary_bytes,
      do: left - 2 - div(byte_size(term) + 7, 8),
      else: left - @binary_words
  end

  # Up to 32 keys stand in a tuple; more in a tree of some more words. An iterator costs several times what two short
  # lists do.
  defp words(term, left) when is_map(term) and map_size(term) <= @small_map do
    left = left - 5 - 3 * map_size(term)
    items(:maps.values(term), items(:maps.keys(term), left))
  end

  defp words(term, left) when is_map(term) do
    left = left - 5 - 3 * map_size(term)
    pairs(:maps.next(:maps.iterator(term)), left)
  end

  defp words(term, left) when is_function(term) do
    {:env, env} = :erlang.fun_info(term, :env)
    words(env, left - 12)
  end

  # Leaves: large integers, floats, pids of other nodes, ports, references.
  defp words(term, left)
       when is_number(term) or is_pid(term) or is_port(term) or is_reference(term),
       do: left - :erts_debug.flat_size(term)

  # Native records. For a kind of term that this library has not heard of there is no room: the VM's own count neither
  # yields nor ends in time, and walks what is shared once for each way that leads to it.
  defp words(term, left) do
    if NativeRecord.native_record?(term) do
      values = NativeRecord.values(term)
      items(values, left - @record_words - @field_words * length(values))
    else
      throw(:larger)
    end
  end

  defp items(_, left) when left < 0, do: throw(:larger)
  defp items([], left), do: left
  defp items([item | items], left), do: items(items, words(item, left))

  defp elements(_, 0, left), do: left
  defp elements(_, _, left) when left < 0, do: throw(:larger)

  defp elements(tuple, n, left),
    do: elements(tuple, n - 1, words(:erlang.element(n, tuple), left))

  defp pairs(:none, left), do: left

  defp pairs({key, value, iterator}, left),
    do: pairs(:maps.next(iterator), words(value, words(key, left)))
end
