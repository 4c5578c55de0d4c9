defmodule Bench.Contenders.Trees do
  @moduledoc false
  # Counts a tree of `{:xmlel, name, attributes, children}`, the form of fast_xml and of exml: two events
  # an element, one a text.

  def count({:xmlel, _name, _attributes, children}, {events, bytes}),
    do: children(children, {events + 2, bytes})

  def count({:xmlcdata, text}, {events, bytes}), do: {events + 1, bytes + byte_size(text)}
  def count({:xmlcdata, text, _style}, counted), do: count({:xmlcdata, text}, counted)

  defp children([child | rest], counted), do: children(rest, count(child, counted))
  defp children([], counted), do: counted
end

defmodule Bench.Contenders.FastXml do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Contenders.Trees

  @impl true
  def available?, do: match?({:ok, _}, Application.ensure_all_started(:fast_xml))

  @impl true
  def wrap, do: :flat

  @impl true
  def count(chunks) do
    parser = apply(:fxml_stream, :new, [self(), :infinity, [:no_gen_server]])

    {parser, counted} =
      Enum.reduce(chunks, {parser, {0, 0}}, fn chunk, {parser, counted} ->
        {apply(:fxml_stream, :parse, [parser, chunk]), received(counted)}
      end)

    apply(:fxml_stream, :close, [parser])
    received(counted)
  end

  defp received({events, bytes} = counted) do
    receive do
      {:xmlstreamstart, _name, _attributes} -> received({events + 1, bytes})
      {:xmlstreamend, _name} -> received({events + 1, bytes})
      {:xmlstreamelement, element} -> received(Trees.count(element, counted))
      {:xmlstreamcdata, text} -> received({events + 1, bytes + byte_size(text)})
      {:xmlstreamerror, reason} -> raise "fast_xml: #{inspect(reason)}"
    after
      0 -> counted
    end
  end
end

defmodule Bench.Contenders.Exml do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Contenders.Trees

  @impl true
  def available?, do: Code.ensure_loaded?(:exml_stream)

  @impl true
  def wrap, do: :flat

  @impl true
  def count(chunks) do
    {:ok, parser} = apply(:exml_stream, :new_parser, [])

    {_parser, counted} =
      Enum.reduce(chunks, {parser, {0, 0}}, fn chunk, {parser, counted} ->
        case apply(:exml_stream, :parse, [parser, chunk]) do
          {:ok, parser, elements} -> {parser, Enum.reduce(elements, counted, &element/2)}
          {:error, reason} -> raise "exml: #{inspect(reason)}"
        end
      end)

    counted
  end

  defp element({:xmlel, _, _, _} = element, counted), do: Trees.count(element, counted)
  defp element(_root, {events, bytes}), do: {events + 1, bytes}
end
