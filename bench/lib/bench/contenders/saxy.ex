defmodule Bench.Contenders.Saxy do
  @moduledoc false
  @behaviour Bench.Contender

  alias Bench.Tally
  require Tally

  @impl true
  def available?, do: Code.ensure_loaded?(Saxy)

  @impl true
  def wrap, do: :plain

  @impl true
  def count(chunks) do
    {:ok, tally} = apply(Saxy, :parse_stream, [chunks, __MODULE__.Handler, Tally.new()])
    Tally.counted(tally)
  end

  def count_string(document) do
    {:ok, tally} = apply(Saxy, :parse_string, [document, __MODULE__.Handler, Tally.new()])
    Tally.counted(tally)
  end

  defmodule Handler do
    @moduledoc false
    # The shape of `Saxy.Handler`, which may be absent when this compiles.

    require Tally

    def handle_event(:characters, text, tally), do: {:ok, Tally.text(tally, byte_size(text))}
    def handle_event(_type, _data, tally), do: {:ok, Tally.event(tally)}
  end
end
