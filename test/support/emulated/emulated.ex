defmodule Bounded.Test.Emulated do
  @moduledoc false
  # What tests do less often where `bin/arm64` emulates the processor, which takes ten to fifty times as long.

  @part 7

  @doc "Whether the processor is emulated."
  def on?, do: System.get_env("BOUNDED_EMULATED") not in [nil, ""]

  @doc "A test that repeats itself takes one in so many of its cases."
  def step, do: if(on?(), do: @part, else: 1)

  @doc "`count` of random cases, or a seventh of it where the processor is emulated."
  def fewer(count), do: max(div(count, step()), 1)
end
