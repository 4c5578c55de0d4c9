defmodule BoundedBinary.Compact do
  @moduledoc false
  # Replaces the binaries in a term that keep much larger ones alive. Most terms have none, so the term is first searched
  # for one, and rebuilt only if there is one. Unchanged parts stay the same terms and keep their sharing.

  alias Bounded.NativeRecord
  alias BoundedBinary.{Copy, Referent, TermFold}

  @doc "Returns `term` with a copy of every binary whose source exceeds it by the `rule` `{ratio, bytes}`."
  def run(term, rule) do
    if needed?(term, rule), do: rebuild(term, rule), else: term
  end

  defp needed?(term, rule) do
    TermFold.fold(term, false, fn binary, _ -> retains?(binary, rule) and throw(:found) end)
  catch
    :found -> true
  end

  defp retains?(binary, {ratio, bytes}) do
    size = byte_size(binary)
    source = Referent.size(binary)
    source - size >= bytes and source >= size * ratio
  end

  defp rebuild(term, rule) when is_binary(term) do
    if retains?(term, rule), do: Copy.run(term), else: term
  end

  defp rebuild([head | tail] = list, rule) do
    new_head = rebuild(head, rule)
    new_tail = rebuild(tail, rule)
    if same?(head, new_head) and same?(tail, new_tail), do: list, else: [new_head | new_tail]
  end

  defp rebuild(term, rule) when is_tuple(term) do
    elements = Tuple.to_list(term)
    new_elements = rebuild(elements, rule)
    if same?(elements, new_elements), do: term, else: List.to_tuple(new_elements)
  end

  # Structs too: they are treated as maps, without their protocols.
  defp rebuild(term, rule) when is_map(term) do
    rebuild_pairs(:maps.next(:maps.iterator(term)), term, rule)
  end

  defp rebuild(term, rule) do
    if NativeRecord.native_record?(term), do: rebuild_record(term, rule), else: term
  end

  defp rebuild_record(record, rule) do
    values = NativeRecord.values(record)
    new_values = rebuild(values, rule)
    if same?(values, new_values), do: record, else: NativeRecord.replace(record, new_values)
  end

  defp rebuild_pairs(:none, map, _rule), do: map

  defp rebuild_pairs({key, value, pairs}, map, rule) do
    new_key = rebuild(key, rule)
    new_value = rebuild(value, rule)

    map =
      cond do
        # `Map.put/3` would keep the old key, since the new one is equal.
        not same?(key, new_key) -> map |> Map.delete(key) |> Map.put(new_key, new_value)
        not same?(value, new_value) -> Map.put(map, key, new_value)
        true -> map
      end

    rebuild_pairs(:maps.next(pairs), map, rule)
  end

  defp same?(left, right), do: :erts_debug.same(left, right)
end
