defmodule Bench.Contenders.Bounded do
  @moduledoc false
  @behaviour Bench.Contender

  @impl true
  def available?, do: true

  @impl true
  def wrap, do: :plain

  @impl true
  def count(chunks, options \\ []) do
    chunks
    |> BoundedXml.stream(options)
    |> Enum.reduce({0, 0}, fn
      {:characters, text}, {events, bytes} -> {events + 1, bytes + byte_size(text)}
      _event, {events, bytes} -> {events + 1, bytes}
    end)
  end
end

defmodule Bench.Contenders.BoundedNoSpace do
  @moduledoc false
  @behaviour Bench.Contender

  @impl true
  def available?, do: true

  @impl true
  def wrap, do: :flat

  @impl true
  def count(chunks), do: Bench.Contenders.Bounded.count(chunks, skip_whitespace: true)
end
