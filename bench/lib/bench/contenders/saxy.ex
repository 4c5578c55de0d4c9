defmodule Bench.Contenders.Saxy do
  @moduledoc false
  @behaviour Bench.Contender

  @impl true
  def available?, do: Code.ensure_loaded?(Saxy)

  @impl true
  def wrap, do: :plain

  @impl true
  def count(chunks) do
    {:ok, counted} = apply(Saxy, :parse_stream, [chunks, __MODULE__.Handler, {0, 0}])
    counted
  end

  def count_string(document) do
    {:ok, counted} = apply(Saxy, :parse_string, [document, __MODULE__.Handler, {0, 0}])
    counted
  end

  defmodule Handler do
    @moduledoc false
    # The shape of `Saxy.Handler`, which may be absent when this compiles.

    def handle_event(:characters, text, {events, bytes}),
      do: {:ok, {events + 1, bytes + byte_size(text)}}

    def handle_event(_type, _data, {events, bytes}), do: {:ok, {events + 1, bytes}}
  end
end
