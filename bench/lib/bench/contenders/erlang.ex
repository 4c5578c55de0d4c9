defmodule Bench.Contenders.Xmerl do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Tally
  require Tally

  @impl true
  def available?, do: Code.ensure_loaded?(:xmerl_sax_parser)

  @impl true
  def wrap, do: :plain

  @impl true
  def count([first | rest]) do
    {:ok, tally, _unread} =
      :xmerl_sax_parser.stream(first,
        continuation_fun: &next/1,
        continuation_state: rest,
        event_fun: &event/3,
        event_state: Tally.new()
      )

    Tally.counted(tally)
  end

  defp next([chunk | rest]), do: {chunk, rest}
  defp next([]), do: {"", []}

  defp event({:characters, text}, _location, tally), do: text(text, tally)
  defp event({:ignorableWhitespace, text}, _location, tally), do: text(text, tally)
  # Namespaces are extra events here.
  defp event({:startPrefixMapping, _, _}, _location, tally), do: tally
  defp event({:endPrefixMapping, _}, _location, tally), do: tally
  defp event(_event, _location, tally), do: Tally.event(tally)

  defp text(text, tally), do: Tally.text(tally, utf8_bytes(text, 0))

  # The text is a list of code points.
  defp utf8_bytes([c | rest], n) when c < 0x80, do: utf8_bytes(rest, n + 1)
  defp utf8_bytes([c | rest], n) when c < 0x800, do: utf8_bytes(rest, n + 2)
  defp utf8_bytes([c | rest], n) when c < 0x10000, do: utf8_bytes(rest, n + 3)
  defp utf8_bytes([_ | rest], n), do: utf8_bytes(rest, n + 4)
  defp utf8_bytes([], n), do: n
end

defmodule Bench.Contenders.Erlsom do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Tally
  require Tally

  @impl true
  def available?, do: Code.ensure_loaded?(:erlsom)

  @impl true
  def wrap, do: :plain

  @impl true
  def count([first | rest]) do
    options = [{:continuation_function, &next/2, rest}, output_encoding: :utf8]
    {:ok, tally, _unread} = apply(:erlsom, :parse_sax, [first, Tally.new(), &event/2, options])
    Tally.counted(tally)
  end

  defp next(unread, [chunk | rest]), do: {unread <> chunk, rest}
  defp next(unread, []), do: {unread, []}

  defp event({:characters, text}, tally), do: Tally.text(tally, byte_size(text))

  defp event({:ignorableWhitespace, text}, tally),
    do: Tally.text(tally, IO.iodata_length(text))

  defp event({:startPrefixMapping, _, _}, tally), do: tally
  defp event({:endPrefixMapping, _}, tally), do: tally
  defp event(_event, tally), do: Tally.event(tally)
end
