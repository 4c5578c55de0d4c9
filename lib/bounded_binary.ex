defmodule BoundedBinary do
  @moduledoc """
  Keeps the bytes you want and lets go of the binary they came from.

  `:binary.part/3`, pattern matching and `String.split/2` return sub-binaries: a 100-byte field cut out
  of a 50 MB body keeps the 50 MB alive for as long as the field lives, in a process, in ETS, in a
  mailbox. The functions here return bytes of their own, and charge them, before they are allocated, to
  the `Quota` of the calling process, or to the node when there is none. The charge follows the bytes,
  not the process, and is refunded when the last reference to them goes.

  A result of at most 64 bytes lives in the heap of its process; one of at most 64 KiB is an ordinary
  binary, which the VM counts by itself in every process that holds it. Larger ones are charged. No call holds a scheduler for more
  than a millisecond: large copies are made in steps of 256 KiB.

  Every function raises `Quota.ExceededError` when the charge is refused, and `ArgumentError` where its
  counterpart in `:binary` does.
  """

  alias Bounded.{Arena, Native}
  alias BoundedBinary.Filling

  # `slice::PLAIN_MAX` and `slice::STEP` of the core.
  @plain_max 64 * 1024
  @step 256 * 1024

  @doc """
  A copy of `binary` that refers to no other binary, as `:binary.copy/1`.

      iex> body = String.duplicate("x", 1_000)
      iex> field = BoundedBinary.copy(binary_part(body, 0, 600))
      iex> {byte_size(field), :binary.referenced_byte_size(field)}
      {600, 600}
  """
  @spec copy(binary) :: binary
  def copy(binary)

  def copy(binary) when byte_size(binary) <= @plain_max, do: :binary.copy(binary)

  def copy(binary) when byte_size(binary) <= @step do
    {:ok, copy} = Arena.charged(fn -> Native.binary_copy(binary) end)
    copy
  end

  def copy(binary) do
    byte_size(binary) |> Filling.new() |> Filling.append(binary) |> Filling.finish()
  end

  @doc """
  The `length` bytes of `binary` from `position` on, as `:binary.part/3`, without keeping `binary` alive.

  A negative `length` takes the bytes before `position`.

      iex> BoundedBinary.slice("id=4711;name=x", 3, 4)
      "4711"
      iex> BoundedBinary.slice("id=4711;name=x", 14, -6)
      "name=x"
  """
  @spec slice(binary, non_neg_integer, integer) :: binary
  def slice(binary, position, length), do: binary |> binary_part(position, length) |> copy()
end
