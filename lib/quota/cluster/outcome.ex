defmodule Quota.Cluster.Outcome do
  @moduledoc false
  # The errors of runs on other nodes, as the caller sees them.

  alias Quota.Cluster.{Protocol, Runner, Views}
  alias Quota.{ExceededError, Pool, PoolFullError, TimeoutError}
  alias Quota.Pool.Overshoot

  # Milliseconds in which a node that is not stopping says so.
  @status_ms 5_000

  @doc "Raises what the work raised, or its run."
  @spec raise!(node, atom, term, list) :: no_return
  def raise!(node, kind, reason, stack), do: :erlang.raise(kind, located(reason, node), stack)

  defp located(error, node) when node == node(), do: error

  # Raised by a run on a third node, it names that.
  defp located(%{__struct__: struct, node: nil} = error, node)
       when struct in [ExceededError, PoolFullError, TimeoutError],
       do: %{error | node: node}

  defp located(error, _node), do: error

  @doc "Raises the error of a run that never started."
  @spec failed!(node, atom, term, list) :: no_return
  def failed!(node, :error, %ArgumentError{message: message}, stack) when node != node(),
    do: :erlang.raise(:error, %ArgumentError{message: "on #{node}: #{message}"}, stack)

  def failed!(node, kind, reason, stack), do: raise!(node, kind, reason, stack)

  @doc "Raises for an attempt that was lost before anything started. A node that is down is an exit."
  @spec unstarted!(node, term, mfa) :: no_return
  def unstarted!(node, {:version, version}, _call) do
    raise ArgumentError,
          "#{node} speaks version #{version} of the protocol of Quota.Cluster, this node version " <>
            "#{Protocol.version()}: upgrade the older of the two. Nothing was started"
  end

  def unstarted!(node, {:undef, [{Runner, :start, _, _} | _]}, _call) do
    raise ArgumentError,
          "#{node} has no Quota.Cluster: it runs an older version of :bounded, or none. Nothing was started"
  end

  def unstarted!(node, :notsup, _call) do
    raise ArgumentError, "#{node} runs a release of Erlang/OTP before 25. Nothing was started"
  end

  def unstarted!(_node, :system_limit, _call), do: raise(SystemLimitError)

  def unstarted!(node, reason, call) do
    if down?(node, reason), do: exit({:nodedown, node}), else: exit({reason, call})
  end

  @doc "Raises for a node that refused the work, with the figures of its pool."
  @spec refused!(node, atom, Views.t() | nil, map) :: no_return
  def refused!(_node, :too_large, view, %{options: options, limit: limit}) do
    Pool.too_large!(options.pool, view.size, limit, Overshoot.charge(limit, view.percent))
  end

  def refused!(node, reason, view, %{options: options, limit: limit, refused: refused}) do
    raise PoolFullError,
      pool: options.pool,
      asked: limit,
      charged: view && Overshoot.charge(limit, view.percent),
      free: view && view.free,
      size: view && view.size,
      reason: reason,
      label: options.label,
      node: node,
      nodes: List.delete(refused, node)
  end

  @doc """
  Whether a node is down, given the reason with which a process there ended. A node that is being stopped kills its processes
  before the connection closes.
  """
  def down?(node, :noconnection) when node != node(), do: true
  def down?(node, :killed) when node != node(), do: stopping?(node)
  def down?(_node, _reason), do: false

  defp stopping?(node) do
    {status, _} = :erpc.call(node, :init, :get_status, [], @status_ms)
    status == :stopping
  catch
    # The node cannot answer any more.
    _, _ -> true
  end
end
