defmodule Bounded.Format do
  @moduledoc false
  # Pieces of messages for the person on call.

  import Bitwise, only: [<<<: 2]

  @units [{"TiB", 1 <<< 40}, {"GiB", 1 <<< 30}, {"MiB", 1 <<< 20}, {"KiB", 1 <<< 10}]

  @doc "Bytes in the largest unit that fits: `64 MiB`, `1.5 KiB`, `17 bytes`."
  def bytes(bytes) do
    case Enum.find(@units, fn {_, size} -> bytes >= size end) do
      nil -> "#{bytes} bytes"
      {unit, size} -> "#{decimal(bytes, size)} #{unit}"
    end
  end

  @doc "A name that others have given as part of a line: without characters that a terminal would act on."
  def line(name) do
    name = to_string(name)
    if name =~ ~r/\A[[:print:]]*\z/u, do: name, else: inspect(name)
  end

  @doc "What a run is called at the start of a sentence."
  def subject(label, node \\ nil)
  def subject(label, node) when node != nil, do: "#{subject(label)} on #{node}"
  def subject(nil, nil), do: "the work"
  def subject(label, nil), do: "the work #{inspect(label, limit: 10, printable_limit: 100)}"

  # One decimal, and none when it is zero; integers throughout: a float would round large figures.
  defp decimal(bytes, size) do
    tenths = div(bytes * 10 + div(size, 2), size)

    if rem(tenths, 10) == 0,
      do: "#{div(tenths, 10)}",
      else: "#{div(tenths, 10)}.#{rem(tenths, 10)}"
  end
end
