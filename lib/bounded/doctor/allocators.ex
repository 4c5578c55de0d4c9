defmodule Bounded.Doctor.Allocators do
  @moduledoc false
  # Memory that the VM's allocators took from the system and do not use.

  alias Bounded.Doctor.Finding
  alias Bounded.Format

  # Unused bytes of an allocator that are worth a finding, if less than half of what it has is used.
  @fragmented 64 * 1024 * 1024
  # Freed segments that the VM still has, in bytes.
  @cached 256 * 1024 * 1024

  def examine(%{allocators: allocators}) do
    facts = [
      {"VM allocators",
       "#{Format.bytes(allocators.allocated)} allocated, #{Format.bytes(allocators.used)} used"},
      {"super carrier", super_carrier(allocators.super_carrier)}
    ]

    {facts, Enum.flat_map(allocators.sizes, &fragmented/1) ++ cached(allocators.cached)}
  end

  defp super_carrier(nil), do: "none"
  defp super_carrier(bytes), do: Format.bytes(bytes)

  defp fragmented({allocator, allocated, used})
       when allocated - used >= @fragmented and used * 2 < allocated do
    [
      %Finding{
        id: :fragmentation,
        severity: :warning,
        figure: allocated - used,
        summary:
          "#{allocator} has #{Format.bytes(allocated)} and uses #{Format.bytes(used)} of it, " <>
            "#{div(used * 100, allocated)} %",
        remedy:
          "A few long-lived blocks keep large carriers alive after a peak, often small binaries or terms. Copy what is " <>
            "kept (BoundedBinary.compact/2 before storing) and bound the peak (Quota.run/3). No emulator flag helped in " <>
            "our measurements"
      }
    ]
  end

  defp fragmented(_), do: []

  defp cached(bytes) when bytes >= @cached do
    [
      %Finding{
        id: :cached_segments,
        severity: :warning,
        figure: bytes,
        summary:
          "the VM keeps up to #{Format.bytes(bytes)} of freed segments, after a large heap or binary was freed",
        remedy:
          "No leak: each scheduler returns one segment a second. To return them at once, start the VM with +MMmcs 0"
      }
    ]
  end

  defp cached(_), do: []
end
