defmodule Bench.Tally do
  @moduledoc """
  What every contender counts: events, and bytes of text.

  Both in one integer. As a tuple they took longer than some of the parsers: the VM's compiled code stores
  two words one by one and loads them together at once, for which the processor waits, event by event.
  """

  import Bitwise

  @bits 32

  @doc "Nothing yet."
  defmacro new, do: 0

  @doc "One event more, or several."
  defmacro event(tally, events \\ 1), do: quote(do: unquote(tally) + unquote(events))

  @doc "Counts a text of `bytes` bytes."
  defmacro text(tally, bytes),
    do: quote(do: unquote(tally) + 1 + Bitwise.bsl(unquote(bytes), unquote(@bits)))

  @doc "`{events, text_bytes}`."
  def counted(tally), do: {tally &&& (1 <<< @bits) - 1, tally >>> @bits}
end
