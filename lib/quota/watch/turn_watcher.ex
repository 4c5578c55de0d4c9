defmodule Quota.Watch.TurnWatcher do
  @moduledoc false
  # Polls counted processes whose long turn has just ended: see `native/nif/src/quota/state/turns.rs`.
  #
  # The node has one such process for each scheduler that is online. At `:max` priority it runs between two turns, so that a hundred
  # processes that each take much memory in one call that does not yield are stopped after the call that passes the limit. It ends the
  # other children itself: the guard may be on another scheduler, behind such a call. It waits for no answer: for each
  # turn another process asks.
  #
  # It starts bound to its scheduler, and is not bound while it waits: see `Bounded.Vm.unbind/0`.
  #
  # They belong to no application and no supervisor. A guard that counts children starts them if needed.

  alias Bounded.{Native, Vm}
  alias Quota.Watch.{Children, ProcessStats, Tracer}

  @doc "Starts the watchers that are not running."
  def ensure do
    case Process.whereis(__MODULE__) do
      nil -> :erlang.spawn_opt(__MODULE__, :start, [], priority: :max)
      starter -> if Native.turn_watchers() < System.schedulers_online(), do: send(starter, :start)
    end

    :ok
  rescue
    # The process table is full: a later guard starts them.
    SystemLimitError -> :ok
  end

  # At `:max` priority: the children that are to be watched may already be at work on every scheduler.
  @doc false
  def start do
    # An application that stops kills the processes that have its group leader.
    Process.group_leader(self(), Process.whereis(:init))
    Process.register(self(), __MODULE__)
    # A guard that is traced has started it.
    Tracer.untrace_self()
    start_missing(0)
  rescue
    # Another process has registered the name first, or the process table is full: those that were started end as well.
    _ in [ArgumentError, SystemLimitError] -> exit(:shutdown)
  end

  # Links end all watchers when one of them is killed, and the next guard starts them again.
  defp start_missing(started) do
    online = System.schedulers_online()
    for scheduler <- (started + 1)..online//1, do: start_on(scheduler)
    stay(max(started, online))
  end

  defp stay(started) do
    receive do
      :start -> start_missing(started)
      _other -> stay(started)
    end
  end

  defp start_on(scheduler) do
    options = [:link, priority: :max, max_heap_size: 0]
    Vm.spawn_on(scheduler, __MODULE__, :watch, [scheduler], options)
  end

  @doc false
  def watch(scheduler) do
    Native.turn_watcher_enter(scheduler)
    Vm.unbind()
    look(scheduler)
  end

  # Hibernates until a turn has ended: what its heap refers to would stay alive, accounts of dead processes among it.
  @doc false
  def look(scheduler) do
    Enum.each(Native.turns_ended(scheduler), &start_poll/1)
    Vm.return(scheduler)
    :erlang.hibernate(__MODULE__, :woken, [scheduler])
  end

  @doc false
  def woken(scheduler), do: receive(do: (_ -> look(scheduler)))

  # By another process, which runs before the next turn: a child that runs again, or is collected on a dirty scheduler, answers late.
  defp start_poll(turn) do
    :erlang.spawn_opt(__MODULE__, :poll, [turn], priority: :max, max_heap_size: 0)
  rescue
    # The process table is full.
    SystemLimitError -> poll(turn)
  end

  @doc false
  def poll({pid, child}) do
    collections = Native.account_collections(child)

    with {heap, binaries} <- ProcessStats.at_rest(pid),
         {account, guard} <- Native.account_turn_ended(child, heap, binaries, collections),
         true <- Children.still_over?(account, :children) do
      Native.account_breach(account, :usage)
      Children.exit_all(account)
      send(guard, :breached)
    end
  end
end
