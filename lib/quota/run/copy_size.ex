defmodule Quota.Run.CopySize do
  @moduledoc false
  # The size of a term after it was sent to another process of this node. `Quota.Run.FlatSize` counts everything. But the VM does not
  # copy literals, which are the constants of modules and persistent terms, and a row of a database refers to many: those that its
  # struct has by default. Finding them takes several times as long. So they are looked for only where a term is too large with them.

  alias Bounded.{NativeRecord, Vm}
  alias Quota.Run.FlatSize

  # Words of the largest term that one call of `:erts_debug.size_shared/1` may visit. It does not yield, and takes up to 20 ns a word.
  @probed_words 30_000
  # Words that it visits in the time of a reduction.
  @reduction_words 16
  # The search ends when it has visited so many words without a literal, and this many times the words of the limit with some. Then the term
  # counts as too large.
  @first_visits 100_000
  @more_visits 16
  # Literals that are remembered. The same few recur in all rows.
  @remembered 8

  # `left`: words of the limit that are not used. `visits`: words that may still be visited. `more_visits`: those after the first literal.
  # `literals`: some that were found. `small_heap`: whether the heap of the calling process is so small that each term may be probed.
  defstruct [:left, :visits, :more_visits, :small_heap, literals: []]

  defguardp is_leaf(term)
            when is_atom(term) or is_number(term) or is_bitstring(term) or term == [] or
                   is_pid(term) or is_reference(term) or is_port(term)

  @doc "Whether the term takes at most `limit` bytes in the process of this node to which it is sent."
  def at_most?(term, limit),
    do: FlatSize.at_most?(term, limit) or copied_at_most?(term, div(limit, Vm.bytes(1)))

  defp copied_at_most?(term, words) do
    {:total_heap_size, heap} = :erlang.process_info(self(), :total_heap_size)

    search = %__MODULE__{
      left: words,
      visits: @first_visits,
      more_visits: @more_visits * words,
      small_heap: heap <= @probed_words
    }

    copied(term, search).left >= 0
  catch
    :larger -> false
  end

  # Takes the words of the copy of `term` from `search.left`.
  defp copied(term, search) when is_leaf(term),
    do: take(search, :erts_debug.size_shared(term), 1)

  # A literal may still be found around what has been visited, and give that many words back.
  defp copied(_term, %{left: left, visits: visits}) when left < -@probed_words or visits < 0,
    do: throw(:larger)

  defp copied(term, search) do
    cond do
      Enum.any?(search.literals, &:erts_debug.same(&1, term)) -> take(search, 0, 1)
      search.small_heap -> probed_first(term, search)
      true -> probed_last(term, search)
    end
  end

  defp probed_first(term, search) do
    case probe(term) do
      0 -> remember(term, search)
      visited -> parts(term, take(search, 0, visited))
    end
  end

  # The copy of what is in the term bounds what the probe may visit.
  defp probed_last(term, %{left: left} = search) do
    search = parts(term, search)
    words = left - search.left

    if words <= @probed_words and probe(term) == 0,
      do: remember(term, %{search | left: left}),
      else: take(search, 0, words)
  end

  # Returns the words of the term without literals, each shared term once.
  defp probe(term) do
    visited = :erts_debug.size_shared(term)
    if visited >= @reduction_words, do: :erlang.bump_reductions(div(visited, @reduction_words))
    visited
  end

  defp remember(term, %{literals: literals, visits: visits, more_visits: more} = search) do
    literals = [term | Enum.take(literals, @remembered - 1)]
    %{search | literals: literals, visits: visits + more, more_visits: 0}
  end

  defp parts([head | tail], search), do: list([head | tail], search)

  defp parts(term, search) do
    search = take(search, FlatSize.container(term), 0)

    cond do
      is_tuple(term) -> elements(term, tuple_size(term), search)
      is_map(term) -> :maps.fold(&copied(&2, copied(&1, &3)), search, term)
      is_function(term) -> term |> :erlang.fun_info(:env) |> elem(1) |> items(search)
      true -> term |> NativeRecord.values() |> items(search)
    end
  end

  defp list([head | tail], search), do: list(tail, head |> copied(search) |> take(2, 0))
  defp list(tail, search), do: copied(tail, search)

  defp elements(_tuple, 0, search), do: search

  defp elements(tuple, n, search),
    do: elements(tuple, n - 1, copied(:erlang.element(n, tuple), search))

  defp items(terms, search), do: Enum.reduce(terms, search, &copied/2)

  defp take(%{left: left, visits: visits} = search, words, visited),
    do: %{search | left: left - words, visits: visits - visited}
end
