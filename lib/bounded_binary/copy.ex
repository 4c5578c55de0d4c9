defmodule BoundedBinary.Copy do
  @moduledoc false
  # Copies a binary by its size: with the VM's own function, in one native call, or in steps.

  import Bounded.Sizes, only: [plain_max: 0]

  alias Bounded.{Bytes, Native}
  alias BoundedBinary.Builder
  alias Quota.Account.Reservation

  # `slice::COPY_MAX` of the core.
  @copy_max 1024 * 1024

  def run(binary) when byte_size(binary) <= plain_max(), do: :binary.copy(binary)

  def run(binary) when byte_size(binary) <= @copy_max do
    if Bytes.aligned?(binary), do: copy(binary), else: fill(binary)
  end

  def run(binary), do: fill(binary)

  defp copy(binary) do
    {:ok, copy} = Reservation.charged(fn -> Native.binary_copy(binary) end)
    copy
  end

  defp fill(binary) do
    byte_size(binary) |> Builder.new() |> Builder.append(binary) |> Builder.finish()
  end
end
