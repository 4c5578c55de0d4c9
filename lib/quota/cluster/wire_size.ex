defmodule Quota.Cluster.WireSize do
  @moduledoc false
  # The size of a term after it was sent to another node: as `Quota.Run.FlatSize`, and with the bytes of its binaries, which are
  # copied then. A binary counts for each reference to it.

  alias Bounded.NativeRecord
  alias Quota.Run.FlatSize

  # Smaller binaries are on the heap, which `FlatSize` counts.
  @heap_binary_bytes 64

  @doc "The bytes that a result may take: its limit, or without an enforced one the most that a node can take."
  def most(_limit, :observe), do: FlatSize.deliverable()
  def most(limit, _enforced), do: limit

  @doc "Whether the term takes at most `limit` bytes on the node to which it is sent."
  def at_most?(term, limit) do
    # The first call bounds the number of terms that the second one visits.
    FlatSize.at_most?(term, limit) and with_binaries?(term, limit, left(term, limit))
  catch
    :larger -> false
  end

  defp with_binaries?(_term, limit, limit), do: true
  defp with_binaries?(term, _limit, left), do: FlatSize.at_most?(term, left)

  # Returns `left` less the bytes of the binaries in the term. Throws when it falls below zero.
  defp left(_, left) when left < 0, do: throw(:larger)

  defp left(term, left) when is_bitstring(term) do
    if byte_size(term) > @heap_binary_bytes, do: left - byte_size(term), else: left
  end

  defp left([head | tail], left), do: left(tail, left(head, left))
  defp left(term, left) when is_tuple(term), do: elements(term, tuple_size(term), left)

  defp left(term, left) when is_map(term),
    do: :maps.fold(fn key, value, left -> left(value, left(key, left)) end, left, term)

  defp left(term, left) when is_function(term) do
    {:env, env} = :erlang.fun_info(term, :env)
    left(env, left)
  end

  defp left(term, left) do
    if NativeRecord.native_record?(term), do: left(NativeRecord.values(term), left), else: left
  end

  defp elements(_, 0, left), do: left
  defp elements(tuple, n, left), do: elements(tuple, n - 1, left(:erlang.element(n, tuple), left))
end
