defmodule Bench.Contenders.Bounded do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Tally
  require Tally

  @impl true
  def available?, do: true

  @impl true
  def wrap, do: :plain

  @impl true
  def count(chunks, options \\ []) do
    chunks
    |> BoundedXml.stream(options)
    |> Enum.reduce(Tally.new(), fn
      {:characters, text}, tally -> Tally.text(tally, byte_size(text))
      _event, tally -> Tally.event(tally)
    end)
    |> Tally.counted()
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
