defmodule BoundedBinary.Copy do
  @moduledoc false
  # A binary's own bytes, by its size: plain, in one native call, or in steps.

  alias Bounded.{Arena, Native}
  alias BoundedBinary.Filling

  # `slice::PLAIN_MAX` and `slice::STEP` of the core.
  @plain_max 64 * 1024
  @step 256 * 1024

  def run(binary) when byte_size(binary) <= @plain_max, do: :binary.copy(binary)

  def run(binary) when byte_size(binary) <= @step do
    {:ok, copy} = Arena.charged(fn -> Native.binary_copy(binary) end)
    copy
  end

  def run(binary) do
    byte_size(binary) |> Filling.new() |> Filling.append(binary) |> Filling.finish()
  end
end
