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

  # Keys of the largest map that is no tree.
  @small_map 32

  # A result may take one part in this many of the node's memory: it arrives as a message, and a collection copies it.
  @memory_share 4
  # Used if the node's memory cannot be read.
  @assumed_bytes 1 <<< 34

  # Terms of one word, which their container counts.
  defguardp is_small_integer(term)
            when is_integer(term) and term <= @largest_small and term >= @smallest_small

  defguardp is_small(term) when is_atom(term) or is_small_integer(term)

  @doc "Returns the bytes of the largest result that is sent without an enforced limit: with a larger one the node could fail."
  def deliverable, do: div(Cgroup.memory(Cgroup.find()).limit || @assumed_bytes, @memory_share)

  @doc "Whether the term takes at most `limit` bytes in the process to which it is sent."
  def at_most?(term, limit), do: words(term, div(limit, Vm.bytes(1))) != :larger

  @doc "Returns the words of the term, or `:larger` if they are more than `most`."
  def words(term, most) do
    left = left(term, most)
    if left >= 0, do: most - left, else: :larger
  catch
    :larger -> :larger
  end

  @doc "Returns the words of a tuple, map, function or native record without the terms in it."
  def container(term) when is_tuple(term), do: tuple_size(term) + 1
  # With its tuple of keys.
  def container(term) when is_map(term) and map_size(term) <= @small_map,
    do: 4 + 2 * map_size(term)

  # A tree. Its nodes and leaves take at most 4.19 words a key, measured on 60,000 maps of 33 to 60 keys, and fewer in larger ones.
  def container(term) when is_map(term), do: 4 + div(17 * map_size(term), 4)
  def container(term) when is_function(term), do: 12
  # As OTP 29 lays it out, with its definition: 8 words without fields, 9 and 3 a field with some.
  def container(record), do: 9 + 3 * NativeRecord.size(record)

  # Returns `left` less the words of `term`. Throws if `left` is below zero before. The common kinds of terms come first.
  defp left(_, left) when left < 0, do: throw(:larger)
  defp left([_ | _] = list, left), do: list(list, left)
  defp left(term, left) when is_small(term), do: left
  defp left([], left), do: left

  # Even a short one may be a reference to bytes outside the heap, or a part of a binary.
  defp left(term, left) when is_bitstring(term), do: left - :erts_debug.flat_size(term)
  defp left({}, left), do: left
  defp left({a}, left), do: left(a, left - 2)
  defp left({a, b}, left), do: left(b, left(a, left - 3))
  defp left({a, b, c}, left), do: left(c, left(b, left(a, left - 4)))

  defp left(term, left) when is_tuple(term) do
    elements(term, tuple_size(term), left - container(term))
  end

  defp left(term, left) when is_map(term) and map_size(term) <= @small_map,
    do: pairs(:maps.to_list(term), left - container(term))

  # A fold visits a larger map in pieces.
  defp left(term, left) when is_map(term), do: :maps.fold(&pair/3, left - container(term), term)

  defp left(term, left) when is_pid(term) and node(term) == node(), do: left

  defp left(term, left) when is_function(term) do
    {:env, env} = :erlang.fun_info(term, :env)
    items(env, left - container(term))
  end

  # Leaves: large integers, floats, pids of other nodes, ports, references.
  defp left(term, left)
       when is_number(term) or is_pid(term) or is_port(term) or is_reference(term),
       do: left - :erts_debug.flat_size(term)

  # Native records. An unknown kind of term counts as too large: `:erts_debug.flat_size/1` neither yields nor ends in time, and
  # visits a shared term once for each path to it.
  defp left(term, left) do
    if NativeRecord.native_record?(term),
      do: items(NativeRecord.values(term), left - container(term)),
      else: throw(:larger)
  end

  # A run of small terms is not compared with the limit: the list itself bounds it.
  defp list([head | tail], left) when is_small_integer(head), do: list(tail, left - 2)
  defp list([head | tail], left) when is_atom(head), do: list(tail, left - 2)
  defp list([head | tail], left), do: list(tail, left(head, left - 2))
  defp list([], left), do: left
  defp list(tail, left), do: left(tail, left)

  defp items([item | items], left), do: items(items, left(item, left))
  defp items([], left), do: left

  defp elements(_, 0, left), do: left

  defp elements(tuple, n, left) do
    case :erlang.element(n, tuple) do
      item when is_small(item) -> elements(tuple, n - 1, left)
      item -> elements(tuple, n - 1, left(item, left))
    end
  end

  defp pairs([{key, value} | pairs], left) when is_small(key) and is_small(value),
    do: pairs(pairs, left)

  defp pairs([{key, value} | pairs], left) when is_small(key),
    do: pairs(pairs, left(value, left))

  defp pairs([{key, value} | pairs], left), do: pairs(pairs, pair(key, value, left))
  defp pairs([], left), do: left

  defp pair(key, value, left), do: left(value, left(key, left))
end
