defmodule Bench.Contenders.Trees do
  @moduledoc false
  # Counts a tree of `{:xmlel, name, attributes, children}`, the form of fast_xml and of exml: two events
  # an element, one a text.

  alias Bench.Tally
  require Tally

  def count({:xmlel, _name, _attributes, children}, tally),
    do: children(children, Tally.event(tally, 2))

  def count({:xmlcdata, text}, tally), do: Tally.text(tally, byte_size(text))
  def count({:xmlcdata, text, _style}, tally), do: count({:xmlcdata, text}, tally)

  defp children([child | rest], tally), do: children(rest, count(child, tally))
  defp children([], tally), do: tally
end

defmodule Bench.Contenders.FastXml do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Contenders.Trees
  alias Bench.Tally
  require Tally

  @impl true
  def available?, do: match?({:ok, _}, Application.ensure_all_started(:fast_xml))

  @impl true
  def wrap, do: :flat

  @impl true
  def count(chunks) do
    parser = apply(:fxml_stream, :new, [self(), :infinity, [:no_gen_server]])

    {parser, tally} =
      Enum.reduce(chunks, {parser, Tally.new()}, fn chunk, {parser, tally} ->
        {apply(:fxml_stream, :parse, [parser, chunk]), received(tally)}
      end)

    apply(:fxml_stream, :close, [parser])
    Tally.counted(received(tally))
  end

  defp received(tally) do
    receive do
      {:xmlstreamstart, _name, _attributes} -> received(Tally.event(tally))
      {:xmlstreamend, _name} -> received(Tally.event(tally))
      {:xmlstreamelement, element} -> received(Trees.count(element, tally))
      {:xmlstreamcdata, text} -> received(Tally.text(tally, byte_size(text)))
      {:xmlstreamerror, reason} -> raise "fast_xml: #{inspect(reason)}"
    after
      0 -> tally
    end
  end
end

defmodule Bench.Contenders.Exml do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Contenders.Trees
  alias Bench.Tally
  require Tally

  @impl true
  def available?, do: Code.ensure_loaded?(:exml_stream)

  @impl true
  def wrap, do: :flat

  @impl true
  def count(chunks) do
    {:ok, parser} = apply(:exml_stream, :new_parser, [])

    {_parser, tally} =
      Enum.reduce(chunks, {parser, Tally.new()}, fn chunk, {parser, tally} ->
        case apply(:exml_stream, :parse, [parser, chunk]) do
          {:ok, parser, elements} -> {parser, Enum.reduce(elements, tally, &element/2)}
          {:error, reason} -> raise "exml: #{inspect(reason)}"
        end
      end)

    Tally.counted(tally)
  end

  defp element({:xmlel, _, _, _} = element, tally), do: Trees.count(element, tally)
  defp element(_root, tally), do: Tally.event(tally)
end
