defmodule BoundedBinary.Builder do
  @moduledoc false
  # Builds a charged binary: its size is charged and allocated first, then filled in steps that are small enough for a normal
  # scheduler. The caller passes the pieces as terms, so they cannot be collected before they are copied, and unaligned
  # binaries are never copied as a whole.

  import Bounded.Sizes, only: [step: 0, unreachable: 0]

  alias Bounded.Native
  alias Quota.Account.Reservation

  @doc "Allocates room for `size` bytes. Raises `Quota.ExceededError` when they are refused."
  def new(size) do
    size = min(size, unreachable())
    {:ok, builder} = Reservation.charged(fn -> Native.binary_new(size) end)
    builder
  end

  @doc "Appends `piece`. Raises `ArgumentError` when there is no room for it."
  def append(builder, piece) when byte_size(piece) <= step() do
    :ok = Native.binary_append(builder, piece)
    builder
  end

  def append(builder, piece), do: append_from(builder, piece, 0)

  @doc "Returns the binary of all appended bytes."
  def finish(builder), do: Native.binary_finish(builder)

  defp append_from(builder, piece, from) do
    case byte_size(piece) - from do
      rest when rest <= step() ->
        append(builder, binary_part(piece, from, rest))

      _ ->
        append(builder, binary_part(piece, from, step()))
        append_from(builder, piece, from + step())
    end
  end
end
