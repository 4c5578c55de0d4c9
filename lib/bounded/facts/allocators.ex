defmodule Bounded.Facts.Allocators do
  @moduledoc false
  # What the VM's allocators took from the system, and what of it is used.

  alias Bounded.Facts.Probe

  @doc """
  `sizes` is `[{allocator, allocated, used}]` and `allocated` and `used` are their sums. `cached` is what the VM keeps of freed
  segments (it returns one a second for each scheduler), `super_carrier` the size of one, or nil. All in bytes.
  """
  def gather(probe) do
    sizes = sizes(probe)
    mmap = Probe.call(probe, :erlang, :system_info, [{:allocator, :erts_mmap}]) || []

    %{
      sizes: sizes,
      allocated: Enum.sum(for {_, allocated, _} <- sizes, do: allocated),
      used: Enum.sum(for {_, _, used} <- sizes, do: used),
      cached: cached(probe, mmap),
      super_carrier: get_in(mmap, [:default_mmap, :supercarrier, :sizes, :total])
    }
  end

  defp sizes(probe) do
    for allocator <- Probe.call(probe, :erlang, :system_info, [:alloc_util_allocators]) do
      instances = Probe.call(probe, :erlang, :system_info, [{:allocator_sizes, allocator}])

      carriers =
        for {:instance, _, kinds} <- List.wrap(instances || []),
            {_kind, carriers} <- kinds,
            do: carriers

      {allocator, sum(carriers, &carriers_size/1), sum(carriers, &blocks_size/1)}
    end
  end

  defp sum(carriers, size), do: carriers |> List.flatten() |> Enum.map(size) |> Enum.sum()

  # Figures are `{name, current, ...}`, with maxima after that or without.
  defp carriers_size(figure) when elem(figure, 0) == :carriers_size, do: elem(figure, 1)
  defp carriers_size(_), do: 0

  # Sums of all allocators that own blocks in these carriers, which migrate between instances.
  defp blocks_size({:blocks, by_allocator}) do
    by_allocator
    |> Enum.flat_map(&elem(&1, 1))
    |> Enum.filter(&(elem(&1, 0) == :size))
    |> Enum.map(&elem(&1, 1))
    |> Enum.sum()
  end

  defp blocks_size(_), do: 0

  # The VM reports how many segments it caches, not their size: that is what it has mapped and gives to no allocator.
  defp cached(probe, mmap) do
    mapped = get_in(mmap, [:default_mmap, :os, :sizes, :used])
    instances = Probe.call(probe, :erlang, :system_info, [{:allocator, :mseg_alloc}])

    segments =
      for {:instance, _, figures} <- List.wrap(instances || []),
          {:memkind, kind} <- figures,
          {:status, status} <- kind,
          figure when elem(figure, 0) == :segments_size <- status,
          do: elem(figure, 1)

    if is_integer(mapped) and segments != [], do: max(mapped - Enum.sum(segments), 0), else: 0
  end
end
