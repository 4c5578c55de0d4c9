defmodule Quota.Pool.Ledger do
  @moduledoc false
  # Where a pool's promises are kept: natively, found by the pool's name, and there as long as the node is.
  # The pool's process may come and go.

  alias Bounded.Native

  defstruct [:pool, :size, :percent, :max_waiting]

  def put(name, %__MODULE__{} = ledger), do: :persistent_term.put({__MODULE__, name}, ledger)

  @doc "The ledger of the pool of that name, or nil."
  def get(name), do: :persistent_term.get({__MODULE__, name}, nil)

  def fetch!(name) do
    get(name) ||
      raise ArgumentError,
            "there is no pool #{inspect(name)}: start {Quota.Pool, name: #{inspect(name)}, size: ...} " <>
              "under a supervisor first"
  end

  @doc "Bytes that all running pools but this one promise."
  def promised_by_others(name) do
    for {{__MODULE__, other}, ledger} <- :persistent_term.get(),
        other != name and Process.whereis(other) != nil,
        reduce: 0 do
      sum -> sum + figures(ledger).size
    end
  end

  def figures(%__MODULE__{pool: pool}) do
    {{size, reserved, orphaned, peak, running, admitted, refused}, waiting, paused} =
      Native.pool_figures(pool)

    %{
      size: size,
      reserved: reserved,
      free: max(size - reserved, 0),
      orphaned: orphaned,
      peak: peak,
      running: running,
      waiting: waiting,
      admitted: admitted,
      refused: refused,
      paused: paused
    }
  end

  @doc "Who holds what, largest first. Runs without a label cost the ledger nothing: they are what remains."
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

  # In pieces: there may be as many labels as quotas.
  defp holders(pool, after_label) do
    {holders, next} = Native.pool_holders(pool, after_label)
    if next, do: holders ++ holders(pool, next), else: holders
  end

  defp sum(holders, key), do: Enum.reduce(holders, 0, &(Map.fetch!(&1, key) + &2))
end
