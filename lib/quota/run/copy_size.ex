defmodule Quota.Run.CopySize do
  @moduledoc false
  # The size of a term after it was sent to another process of this node. `Quota.Run.FlatSize` counts everything. But the VM does not
  # copy literals, which are the constants of modules and persistent terms, and a row of a database refers to many: those that its
  # struct has by default. Finding them takes several times as long. So they are looked for only where a term is too large with them.
  #
  # The search makes almost no garbage, since the process may be near its limit. What changes, apart from the words that are left, is kept
  # in counters and in the process dictionary.

  alias Bounded.{NativeRecord, Vm}
  alias Quota.Run.FlatSize

  # Words of the largest term that one call of `:erts_debug.size_shared/1` may visit. It does not yield, and takes up to 20 ns a word.
  @probed_words 30_000
  # Words that it visits in the time of a reduction.
  @reduction_words 16
  # Words that the search may visit before it has found a literal, and how many times the words of the limit it may visit after that. A term
  # that needs more visits counts as too large.
  @first_visits 100_000
  @more_visits 16
  # Literals that are remembered. The same few recur in all rows.
  @remembered 8

  # `visits`: a counter of the words that may still be visited, and one of those after the first literal. `small_heap`: whether the heap of
  # the calling process is so small that each term may be probed.
  @enforce_keys [:visits, :small_heap]
  defstruct @enforce_keys

  @doc "Whether the term takes at most `limit` bytes in the process of this node to which it is sent."
  def at_most?(term, limit),
    do: FlatSize.at_most?(term, limit) or copied_at_most?(term, div(limit, Vm.bytes(1)))

  defp copied_at_most?(term, words) do
    {:total_heap_size, heap} = :erlang.process_info(self(), :total_heap_size)
    visits = :counters.new(2, [])
    :counters.put(visits, 1, @first_visits)
    :counters.put(visits, 2, @more_visits * words)
    copied(term, words, %__MODULE__{visits: visits, small_heap: heap <= @probed_words}) >= 0
  catch
    :larger -> false
  after
    Process.delete(__MODULE__)
  end

  # Returns `left` less the words of the copy of `term`.
  defp copied(term, left, _search) when is_atom(term) or term == [], do: left

  defp copied(term, left, _search)
       when is_number(term) or is_bitstring(term) or is_pid(term) or is_reference(term) or
              is_port(term),
       do: left - :erts_debug.size_shared(term)

  # A literal may still be found around what has been visited, and give that many words back.
  defp copied(_term, left, _search) when left < -@probed_words, do: throw(:larger)

  defp copied(term, left, search) do
    visited(1, search)

    cond do
      literal?(Process.get(__MODULE__, []), term) -> left
      search.small_heap -> probed_first(term, left, search)
      true -> probed_last(term, left, search)
    end
  end

  defp probed_first(term, left, search) do
    if probe(term, search) == 0, do: remember(term, left, search), else: parts(term, left, search)
  end

  # The copy of what is in the term bounds what the probe may visit.
  defp probed_last(term, left, search) do
    less = parts(term, left, search)

    if left - less <= @probed_words and probe(term, search) == 0,
      do: remember(term, left, search),
      else: less
  end

  # Returns the words of the term without literals, each shared term once.
  defp probe(term, search) do
    words = :erts_debug.size_shared(term)
    if words >= @reduction_words, do: :erlang.bump_reductions(div(words, @reduction_words))
    visited(words, search)
    words
  end

  defp visited(words, %{visits: visits}) do
    :counters.sub(visits, 1, words)
    if :counters.get(visits, 1) < 0, do: throw(:larger)
  end

  defp literal?([literal | literals], term),
    do: :erts_debug.same(literal, term) or literal?(literals, term)

  defp literal?([], _term), do: false

  defp remember(term, left, %{visits: visits}) do
    literals = Process.get(__MODULE__, [])
    if literals == [], do: :counters.add(visits, 1, :counters.get(visits, 2))
    Process.put(__MODULE__, [term | Enum.take(literals, @remembered - 1)])
    left
  end

  defp parts([head | tail], left, search), do: list([head | tail], left, search)

  defp parts(term, left, search) do
    left = left - FlatSize.container(term)

    cond do
      is_tuple(term) -> elements(term, tuple_size(term), left, search)
      is_map(term) -> :maps.fold(&copied(&2, copied(&1, &3, search), search), left, term)
      is_function(term) -> term |> :erlang.fun_info(:env) |> elem(1) |> items(left, search)
      true -> term |> NativeRecord.values() |> items(left, search)
    end
  end

  defp list([head | tail], left, search), do: list(tail, copied(head, left - 2, search), search)
  defp list(tail, left, search), do: copied(tail, left, search)

  defp elements(_tuple, 0, left, _search), do: left

  defp elements(tuple, n, left, search),
    do: elements(tuple, n - 1, copied(:erlang.element(n, tuple), left, search), search)

  defp items([item | items], left, search), do: items(items, copied(item, left, search), search)
  defp items([], left, _search), do: left
end
