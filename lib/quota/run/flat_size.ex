defmodule Quota.Run.FlatSize do
  @moduledoc false
  # The size of a term after it was sent to another process, which loses sharing: 640 bytes can become 16 TiB. The computation
  # ends as soon as it exceeds the limit, yields like any Elixir code, and its own stack counts towards the quota of the
  # process that computes.
  #
  # Bytes of binaries outside the heap are not counted: they are not copied.

  alias Bounded.{Cgroup, NativeRecord, Vm}

  import Bitwise, only: [<<<: 2]

  # The range of the VM's small integers. Both bounds are small integers themselves: comparing with a larger one takes a call.
  @largest_small (1 <<< 59) - 1
  @smallest_small 0 - (1 <<< 59)
  # Maximum words of a reference to a binary of more than 64 bytes, or to a part of one.
  @binary_words 11
  @heap_binary_bytes 64

  # A native record with its definition, as OTP 29 lays it out: 8 words without fields, 9 and 3 a field with some.
  @record_words 9
  @field_words 3
  @small_map 32

  # A result may take one part in this many of the node's memory: it arrives as a message, and a collection copies it.
  @memory_share 4
  # Used if the node's memory cannot be read.
  @assumed_bytes 1 <<< 34

  # A term of one word, which its container counts.
  defguardp is_small(term)
            when is_atom(term) or
                   (is_integer(term) and term <= @largest_small and term >= @smallest_small)

  @doc "Returns the bytes of the largest result that is sent without an enforced limit: with a larger one the node could fail."
  def deliverable, do: div(Cgroup.memory(Cgroup.find()).limit || @assumed_bytes, @memory_share)

  @doc "Whether the term takes at most `limit` bytes in the process to which it is sent."
  def at_most?(term, limit) do
    words(term, div(limit, Vm.bytes(1)))
    true
  catch
    :larger -> false
  end

  # Returns `left` less the words of `term`. Throws before it would go below zero.
  defp words(_, left) when left < 0, do: throw(:larger)
  defp words(term, left) when is_small(term), do: left
  defp words([], left), do: left
  defp words(term, left) when is_pid(term) and node(term) == node(), do: left
  defp words([head | tail], left) when is_small(head), do: words(tail, left - 2)
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

  # A map of at most 32 keys has a tuple of keys. A larger map is a tree with more words, which a fold visits in pieces. For a small
  # map two lists cost less than a fold.
  defp words(term, left) when is_map(term) and map_size(term) <= @small_map do
    left = left - 5 - 3 * map_size(term)
    items(:maps.values(term), items(:maps.keys(term), left))
  end

  defp words(term, left) when is_map(term) do
    left = left - 5 - 3 * map_size(term)
    :maps.fold(&pair/3, left, term)
  end

  defp words(term, left) when is_function(term) do
    {:env, env} = :erlang.fun_info(term, :env)
    words(env, left - 12)
  end

  # Leaves: large integers, floats, pids of other nodes, ports, references.
  defp words(term, left)
       when is_number(term) or is_pid(term) or is_port(term) or is_reference(term),
       do: left - :erts_debug.flat_size(term)

  # Native records. An unknown kind of term counts as too large: `:erts_debug.flat_size/1` neither yields nor ends in time, and
  # visits a shared term once for each path to it.
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

  defp elements(tuple, n, left) do
    case :erlang.element(n, tuple) do
      item when is_small(item) -> elements(tuple, n - 1, left)
      item -> elements(tuple, n - 1, words(item, left))
    end
  end

  defp pair(key, value, left), do: words(value, words(key, left))
end
