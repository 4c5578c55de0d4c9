defmodule Bounded.Facts.Pools do
  @moduledoc false
  # The pools of a node, for `Quota.Pool` and for those who look at the node from anywhere. The server of a pool registers the pool's
  # ledger here, which stays as long as the node runs.

  alias Bounded.Native

  def put(name, ledger), do: :persistent_term.put({__MODULE__, name}, ledger)

  @doc "Returns the ledger of the pool `name`, or nil."
  def get(name), do: :persistent_term.get({__MODULE__, name}, nil)

  @doc "`{name, ledger}` of each pool that is running."
  def all do
    for {{__MODULE__, name}, ledger} <- :persistent_term.get(),
        Process.whereis(name) != nil,
        do: {name, ledger}
  end

  @doc "`{name, figures}` of each pool that is running: nothing that only this node understands."
  def all_figures, do: for({name, ledger} <- all(), do: {name, figures(ledger)})

  def figures(%{pool: pool}) do
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
end
