defmodule Bounded.Test.Emulated do
  @moduledoc false
  # What tests do less often where `bin/arm64` emulates the processor, which takes ten to fifty times as long.

  @part 7

  @doc "Whether the processor is emulated."
  def on?, do: System.get_env("BOUNDED_EMULATED") not in [nil, ""]

  @doc "The distance between the cases that a test takes of a list of them: 7 where the processor is emulated, else 1."
  def step, do: if(on?(), do: @part, else: 1)

  @doc "The number of random cases: `count`, or where the processor is emulated a seventh of it, at least 1."
  def fewer(count), do: max(div(count, step()), 1)
end
