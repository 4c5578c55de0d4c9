defmodule Bench.Contenders.Xmerl do
  @moduledoc false
  @behaviour Bench.Contender

  @impl true
  def available?, do: Code.ensure_loaded?(:xmerl_sax_parser)

  @impl true
  def wrap, do: :plain

  @impl true
  def count([first | rest]) do
    {:ok, counted, _unread} =
      :xmerl_sax_parser.stream(first,
        continuation_fun: &next/1,
        continuation_state: rest,
        event_fun: &event/3,
        event_state: {0, 0}
      )

    counted
  end

  defp next([chunk | rest]), do: {chunk, rest}
  defp next([]), do: {"", []}

  defp event({:characters, text}, _location, counted), do: text(text, counted)
  defp event({:ignorableWhitespace, text}, _location, counted), do: text(text, counted)
  # Namespaces are extra events here.
  defp event({:startPrefixMapping, _, _}, _location, counted), do: counted
  defp event({:endPrefixMapping, _}, _location, counted), do: counted
  defp event(_event, _location, {events, bytes}), do: {events + 1, bytes}

  defp text(text, {events, bytes}), do: {events + 1, utf8_bytes(text, bytes)}

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

  @impl true
  def available?, do: Code.ensure_loaded?(:erlsom)

  @impl true
  def wrap, do: :plain

  @impl true
  def count([first | rest]) do
    options = [{:continuation_function, &next/2, rest}, output_encoding: :utf8]
    {:ok, counted, _unread} = apply(:erlsom, :parse_sax, [first, {0, 0}, &event/2, options])
    counted
  end

  defp next(unread, [chunk | rest]), do: {unread <> chunk, rest}
  defp next(unread, []), do: {unread, []}

  defp event({:characters, text}, {events, bytes}), do: {events + 1, bytes + byte_size(text)}

  defp event({:ignorableWhitespace, text}, {events, bytes}),
    do: {events + 1, bytes + IO.iodata_length(text)}

  defp event({:startPrefixMapping, _, _}, counted), do: counted
  defp event({:endPrefixMapping, _}, counted), do: counted
  defp event(_event, {events, bytes}), do: {events + 1, bytes}
end
