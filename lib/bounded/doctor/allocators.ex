defmodule Bounded.Doctor.Allocators do
  @moduledoc false
  # What the VM's allocators took from the system against what is used of it, and the super carrier.

  alias Bounded.Cgroup
  alias Bounded.Doctor.Finding
  alias Quota.Text

  # Unused carriers below this are nothing to act on; above it, less than half in use is.
  @fragmented 64 * 1024 * 1024

  # Of the limit, in percent, for the super carrier: the rest is for stacks, code and native libraries.
  @carrier_share 75

  @doc "`{allocated, used}` in bytes, of all allocators."
  def totals do
    Enum.reduce(sizes(), {0, 0}, fn {_, allocated, used}, {all, all_used} ->
      {all + allocated, all_used + used}
    end)
  end

  def examine(root) do
    sizes = sizes()
    {allocated, used} = totals()

    facts = [
      {"VM allocators", "#{Text.bytes(allocated)} allocated, #{Text.bytes(used)} used"},
      {"super carrier", super_carrier(root)}
    ]

    {facts, Enum.flat_map(sizes, &finding/1)}
  end

  defp finding({allocator, allocated, used})
       when allocated - used >= @fragmented and used * 2 < allocated do
    [
      %Finding{
        id: :fragmentation,
        severity: :warning,
        figure: allocated - used,
        summary:
          "#{allocator} holds #{Text.bytes(allocated)} and uses #{Text.bytes(used)} of it, " <>
            "#{div(used * 100, allocated)} %",
        remedy: remedy(allocator)
      }
    ]
  end

  defp finding(_), do: []

  defp remedy(allocator) do
    "Often small binaries or terms that outlived a peak: find who keeps them (BoundedBinary.compact/2 before " <>
      "storing), or start with +M#{letter(allocator)}as aobf, which fills carriers from one end"
  end

  # The letter that names an allocator in the emulator's flags.
  @letters %{
    temp_alloc: "T",
    sl_alloc: "S",
    std_alloc: "D",
    ll_alloc: "L",
    eheap_alloc: "H",
    ets_alloc: "E",
    fix_alloc: "F",
    literal_alloc: "I",
    binary_alloc: "B",
    driver_alloc: "R"
  }
  defp letter(allocator), do: Map.get(@letters, allocator, "u")

  defp sizes do
    for allocator <- :erlang.system_info(:alloc_util_allocators) do
      instances = List.wrap(:erlang.system_info({:allocator_sizes, allocator}) || [])
      carriers = for {:instance, _, kinds} <- instances, {_kind, carriers} <- kinds, do: carriers
      {allocator, sum(carriers, &carriers_size/1), sum(carriers, &blocks_size/1)}
    end
  end

  defp sum(carriers, size), do: carriers |> List.flatten() |> Enum.map(size) |> Enum.sum()

  # Figures are `{name, current, ...}`, with maxima behind them or without.
  defp carriers_size(figure) when elem(figure, 0) == :carriers_size, do: elem(figure, 1)
  defp carriers_size(_), do: 0

  # By the allocator whose blocks they are: carriers move between instances.
  defp blocks_size({:blocks, by_allocator}) do
    by_allocator
    |> Enum.flat_map(&elem(&1, 1))
    |> Enum.filter(&(elem(&1, 0) == :size))
    |> Enum.map(&elem(&1, 1))
    |> Enum.sum()
  end

  defp blocks_size(_), do: 0

  defp super_carrier(root) do
    mmap = :erlang.system_info({:allocator, :erts_mmap}) || []

    case get_in(mmap, [:default_mmap, :supercarrier, :sizes, :total]) do
      nil -> "not active: #{suggestion(root)}"
      total -> "#{Text.bytes(total)}"
    end
  end

  defp suggestion(root) do
    case root |> Cgroup.find() |> Cgroup.memory() do
      %{limit: limit} when is_integer(limit) ->
        "to refuse memory before the kernel kills, +MMscs #{megabytes(limit)} +MMsco true in vm.args"

      _ ->
        "+MMscs <megabytes> +MMsco true in vm.args"
    end
  end

  defp megabytes(limit), do: div(limit * @carrier_share, 100 * 1024 * 1024)
end
