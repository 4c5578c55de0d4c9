defmodule Quota.ClusterCase do
  @moduledoc false
  # Tests of `Quota.Cluster`: nodes on this machine that are connected, each with a pool.

  use ExUnit.CaseTemplate

  import Bounded.Eventually
  alias Bounded.Test.{ClusterNode, Peer}

  using do
    quote do
      import Bounded.Eventually
      import Quota.ClusterCase
      alias Bounded.Test.{ClusterNode, ClusterTrace, Peer}
      alias Quota.{ExceededError, PoolFullError, TimeoutError}

      @moduletag :capture_log
      @moduletag timeout: 120_000
    end
  end

  @doc """
  Starts connected nodes, one for each number in `rooms`: the number of runs of `ClusterNode.limit/0` for which its pool has room. 0 is a node without pool and cluster. Returns
  `[{peer, node}]`. For `setup_all`, since nodes start slowly. `context` may have `env` and `cookie` of nodes that run already,
  and `flags` for `erl`.
  """
  def cluster(rooms, context \\ %{}) do
    env = context[:env] || Peer.start_epmd()
    cookie = context[:cookie] || "cookie#{System.unique_integer([:positive])}"
    flags = context[:flags] || []
    nodes = for _ <- rooms, do: Peer.start_named(cookie, env, flags)
    # Their log would be printed among the results.
    for {peer, _} <- nodes, do: Peer.call(peer, Logger, :configure, [[level: :emergency]])
    connect(nodes)
    for {{peer, _}, room} <- Enum.zip(nodes, rooms), room > 0, do: :ok = at(peer, :serve, [room])
    serving = for {node, room} <- Enum.zip(nodes, rooms), room > 0, do: node
    seen(serving)
    nodes
  end

  def connect([{first, _} | others]) do
    for {_, node} <- others, do: true = Peer.call(first, :net_kernel, :connect_node, [node])
  end

  @doc "Waits until the nodes see each other, with equal figures."
  def seen(nodes) do
    eventually(
      fn ->
        views = for {peer, _} <- nodes, do: at(peer, :views, [])
        assert [view] = Enum.uniq(views)
        assert map_size(view) == length(nodes)
      end,
      10_000
    )
  end

  @doc "Calls a function of `ClusterNode` there."
  def at(peer, function, arguments \\ []), do: Peer.call(peer, ClusterNode, function, arguments)

  @doc "Runs work there, in the shared pool."
  def run(peer, work, options), do: at(peer, :run, [work, options])

  @doc "Kills all callers, and waits until nothing is left of them and the nodes see that."
  def release(nodes) do
    for {peer, _} <- nodes, do: at(peer, :release)
    Enum.each(nodes, &idle/1)
    seen(nodes)
  end

  @doc "Waits until the pool there has reserved nothing and no process of a run is left."
  def idle({peer, _node}) do
    eventually(
      fn ->
        assert %{reserved: 0, orphaned: 0, running: 0, waiting: 0} = at(peer, :figures)
        assert at(peer, :runners) == []
      end,
      10_000
    )
  end
end
