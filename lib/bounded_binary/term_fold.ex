defmodule BoundedBinary.TermFold do
  @moduledoc false
  # Visits every binary in a term, at any depth. The terms still to be visited are kept on a list, not on the stack. The VM
  # preempts the fold as it does any Elixir code.

  alias Bounded.NativeRecord

  @doc """
  Folds `fun` over the binaries of `term`: in keys and values of maps, in lists (also improper ones), tuples and native
  records, and in what closures have captured.
  """
  def fold(term, acc, fun), do: visit(term, [], acc, fun)

  defp visit([head | tail], rest, acc, fun)
       when is_atom(head) or is_number(head) or head == [] do
    visit(tail, rest, acc, fun)
  end

  defp visit([head | tail], rest, acc, fun) when is_binary(head) do
    visit(tail, rest, fun.(head, acc), fun)
  end

  # Pairs are common: in options, and in the lists of map entries.
  defp visit([{left, right} | tail], rest, acc, fun) do
    visit([left, right | tail], rest, acc, fun)
  end

  defp visit([head | tail], rest, acc, fun), do: visit(head, [tail | rest], acc, fun)
  defp visit([], [next | rest], acc, fun), do: visit(next, rest, acc, fun)
  defp visit([], [], acc, _fun), do: acc

  defp visit(term, rest, acc, fun) when is_tuple(term) do
    visit(Tuple.to_list(term), rest, acc, fun)
  end

  # `:maps.to_list/1` yields, and takes half the time of an iterator or of listing keys and values.
  defp visit(term, rest, acc, fun) when is_map(term) do
    visit(:maps.to_list(term), rest, acc, fun)
  end

  defp visit(term, rest, acc, fun) when is_binary(term) do
    visit([], rest, fun.(term, acc), fun)
  end

  # `&Module.function/1` captures nothing.
  defp visit(term, rest, acc, fun) when is_function(term) do
    {:env, captured} = :erlang.fun_info(term, :env)
    visit(captured, rest, acc, fun)
  end

  defp visit(other, rest, acc, fun) do
    if NativeRecord.native_record?(other),
      do: visit(NativeRecord.values(other), rest, acc, fun),
      else: visit([], rest, acc, fun)
  end
end
