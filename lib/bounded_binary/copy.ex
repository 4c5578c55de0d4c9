defmodule BoundedBinary.Copy do
  @moduledoc false
  # A binary's own bytes, by its size: plain, in one native call, or in steps.

  alias Bounded.{Arena, Bytes, Native}
  alias BoundedBinary.Filling

  # `slice::PLAIN_MAX` and `slice::COPY_MAX` of the core.
  @plain_max 512 * 1024
  @copy_max 1024 * 1024

  def run(binary) when byte_size(binary) <= @plain_max, do: :binary.copy(binary)

  def run(binary) when byte_size(binary) <= @copy_max do
    if Bytes.aligned?(binary), do: copy(binary), else: fill(binary)
  end

  def run(binary), do: fill(binary)

  defp copy(binary) do
    {:ok, copy} = Arena.charged(fn -> Native.binary_copy(binary) end)
    copy
  end

  defp fill(binary) do
    byte_size(binary) |> Filling.new() |> Filling.append(binary) |> Filling.finish()
  end
end
