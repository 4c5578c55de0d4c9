defmodule Quota.Pool.Ledger do
  @moduledoc false
  # The reservations of a pool. They are kept in native memory, found by the pool's name, as long as the node runs, and so
  # survive the pool's process.

  alias Bounded.Facts.Pools
  alias Bounded.Native

  defstruct [:pool, :size, :percent, :max_waiting]

  def put(name, %__MODULE__{} = ledger), do: Pools.put(name, ledger)

  defdelegate get(name), to: Pools
  defdelegate all, to: Pools
  defdelegate figures(ledger), to: Pools

  def fetch!(name) do
    get(name) ||
      raise ArgumentError,
            "there is no pool #{inspect(name)}: start {Quota.Pool, name: #{inspect(name)}, size: ...} " <>
              "under a supervisor first"
  end

  @doc "Returns the sum of the sizes of all other running pools, in bytes."
  def reserved_by_others(name) do
    for {other, ledger} <- all(), other != name, reduce: 0 do
      sum -> sum + figures(ledger).size
    end
  end

  @doc """
  Returns the reservations by label, largest first. Runs without a label are not recorded one by one: they are the remainder.
  """
  def by_label(%__MODULE__{pool: pool}, figures) do
    labelled =
      for {label, bytes, running} <- holders(pool, nil) do
        %{label: :erlang.binary_to_term(label), reserved: bytes, running: running}
      end

    running = figures.running - sum(labelled, :running)
    bytes = figures.reserved - figures.orphaned - sum(labelled, :reserved)

    rest =
      if running > 0, do: [%{label: nil, reserved: max(bytes, 0), running: running}], else: []

    Enum.sort_by(labelled ++ rest, & &1.reserved, :desc)
  end

  # In batches, because there may be as many labels as quotas.
  defp holders(pool, after_label) do
    {holders, next} = Native.pool_holders(pool, after_label)
    if next, do: holders ++ holders(pool, next), else: holders
  end

  defp sum(holders, key), do: Enum.reduce(holders, 0, &(Map.fetch!(&1, key) + &2))
end
