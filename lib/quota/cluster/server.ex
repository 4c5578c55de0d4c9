defmodule Quota.Cluster.Server do
  @moduledoc false
  # Tells the other nodes how much room the pool of this node has, and keeps what they tell. `:pg` says who they are.
  #
  # A view is sent when it has changed, at most every 100 ms, and to a node that has just appeared. A message that a busy connection
  # does not take at once is dropped, and the newest view is sent at the next tick. So this process never waits for another node.

  use GenServer

  alias Quota.Cluster.{Protocol, Views}
  alias Quota.Pool.Ledger
  alias Quota.Pressure

  @group :pools
  @tick_ms 100
  @settle_ms 1_000

  # `peers`: the monitor of each other server. `behind`: those that do not have the newest view.
  defstruct [:name, :scope, :table, :sent, peers: %{}, behind: MapSet.new()]

  def start_link({name, scope}), do: GenServer.start_link(__MODULE__, {name, scope})

  @doc "Returns the view of the pool `name` on this node, or nil before the pool has started."
  def own_view(name) do
    with %Ledger{percent: percent} = ledger <- Ledger.get(name) do
      figures = Ledger.figures(ledger)
      paused = figures.paused or Process.whereis(name) == nil

      %Views{
        at: System.monotonic_time(),
        version: Protocol.version(),
        size: figures.size,
        free: figures.free,
        percent: percent,
        open: not paused and figures.waiting == 0,
        paused: paused,
        pressure: Pressure.level(),
        running: figures.running,
        waiting: figures.waiting,
        admitted: figures.admitted,
        schedulers: :erlang.system_info(:schedulers_online)
      }
    end
  end

  @impl true
  def init({name, scope}) do
    table = Views.new(name)
    {_ref, members} = :pg.monitor(scope, @group)
    :ok = :pg.join(scope, @group, self())
    state = %__MODULE__{name: name, scope: scope, table: table}
    tick()
    settle()
    {:ok, members |> Enum.reduce(state, &meet/2) |> publish()}
  end

  @impl true
  def handle_info(:tick, state) do
    tick()
    {:noreply, publish(state)}
  end

  def handle_info(:settle, state) do
    settle()
    Views.settle(state.table)
    {:noreply, state}
  end

  def handle_info({_ref, :join, @group, pids}, state),
    do: {:noreply, pids |> Enum.reduce(state, &meet/2) |> catch_up()}

  # The monitor reports it as well, in order with the messages of that server.
  def handle_info({_ref, :leave, @group, _pids}, state), do: {:noreply, state}

  def handle_info({Protocol, :view, version, pid, view}, state) do
    # It may be known to `:pg` there before it is here.
    state = meet(pid, state)
    if is_map_key(state.peers, pid), do: keep(state.table, node(pid), version, view)
    {:noreply, catch_up(state)}
  end

  def handle_info({:DOWN, _monitor, :process, pid, reason}, state) do
    state = forget(pid, state)
    # After a short interruption `:pg` may have found it again before this message came.
    again = reason == :noconnection and pid in :pg.get_members(state.scope, @group)
    {:noreply, if(again, do: pid |> meet(state) |> catch_up(), else: state)}
  end

  def handle_info(_stray, state), do: {:noreply, state}

  defp meet(pid, state) do
    # A monitor of a process of another node would connect to it.
    if pid == self() or is_map_key(state.peers, pid) or not connected?(node(pid)),
      do: state,
      else: %{
        state
        | peers: Map.put(state.peers, pid, Process.monitor(pid)),
          behind: MapSet.put(state.behind, pid)
      }
  end

  defp connected?(node), do: node in Node.list([:visible, :hidden])

  defp forget(pid, state) do
    other = Enum.any?(state.peers, fn {peer, _} -> peer != pid and node(peer) == node(pid) end)
    # A server that was restarted there has sent its own view already.
    unless other, do: Views.delete(state.table, node(pid))

    %{
      state
      | peers: Map.delete(state.peers, pid),
        behind: MapSet.delete(state.behind, pid)
    }
  end

  # The fields of another version's view are unknown.
  defp keep(table, node, version, view) do
    if version == Protocol.version(),
      do: Views.put(table, node, view),
      else:
        Views.put(table, node, %Views{
          at: 0,
          version: version,
          size: 0,
          free: 0,
          percent: 0,
          open: false,
          waiting: 0
        })
  end

  defp publish(state) do
    view = own_view(state.name)

    if view == nil or same?(view, state.sent),
      do: catch_up(state),
      else: catch_up(%{state | sent: view, behind: MapSet.new(Map.keys(state.peers))})
  end

  defp same?(_view, nil), do: false
  defp same?(view, sent), do: %{view | at: sent.at} == sent

  defp catch_up(%{sent: nil} = state), do: state

  defp catch_up(state) do
    message = {Protocol, :view, Protocol.version(), self(), state.sent}

    behind =
      for pid <- state.behind,
          :erlang.send(pid, message, [:nosuspend, :noconnect]) == :nosuspend,
          into: MapSet.new(),
          do: pid

    %{state | behind: behind}
  end

  defp settle, do: Process.send_after(self(), :settle, @settle_ms)
  defp tick, do: Process.send_after(self(), :tick, @tick_ms)
end
