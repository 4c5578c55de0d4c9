defmodule BoundedBinary.Slices do
  @moduledoc false
  # Implements `BoundedBinary.slices/3`: in one native call if the slices are small enough, else one by one.

  alias Bounded.{Bytes, Native}
  alias BoundedBinary.{Concat, Copy}

  @doc "Returns the slices of `binary` at `positions`. With `shared`, slices over 64 bytes are parts of one new binary."
  def run(binary, positions, shared) do
    case Bytes.aligned?(binary) && Native.binary_slices(binary, positions, shared) do
      slices when is_list(slices) -> slices
      _too_large -> in_steps(binary, positions, shared)
    end
  end

  defp in_steps(binary, positions, true) do
    parts = each(positions, &binary_part(binary, &1, &2))
    parts |> Concat.run() |> parts_of(parts, 0)
  end

  defp in_steps(binary, positions, false),
    do: each(positions, &Copy.run(binary_part(binary, &1, &2)))

  defp each([{position, length} | positions], cut) do
    [cut.(position, length) | each(positions, cut)]
  end

  defp each([], _cut), do: []

  defp each(other, _cut) do
    raise ArgumentError, "expected a list of {position, length}, got: #{inspect(other, limit: 3)}"
  end

  # The parts of `block`, which is the concatenation of `parts`.
  defp parts_of(_block, [], _start), do: []

  defp parts_of(block, [part | parts], start) do
    size = byte_size(part)
    [binary_part(block, start, size) | parts_of(block, parts, start + size)]
  end
end
