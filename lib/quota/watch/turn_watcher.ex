defmodule Quota.Watch.TurnWatcher do
  @moduledoc false
  # Polls counted processes that have just run for long: see `native/nif/src/quota/state/turns.rs`.
  #
  # The node has one such process on each scheduler. At `:max` priority it runs between two turns, so that a hundred processes
  # that each take much memory in one call that does not yield are stopped after the call that passes the limit. It ends the
  # other children itself: the guard may be on another scheduler, behind such a call. It asks no process that runs, since the
  # answer to a question at `:max` priority lets a process go first.
  #
  # They belong to no application and no supervisor. A guard that counts children starts them if needed.

  alias Bounded.Native
  alias Quota.Watch.{Children, ProcessStats}

  @doc "Starts the watchers unless they are running."
  def ensure do
    unless Process.whereis(__MODULE__), do: spawn(__MODULE__, :start, [])
    :ok
  rescue
    # The process table is full: a later guard starts them.
    SystemLimitError -> :ok
  end

  @doc false
  def start do
    # An application that stops kills the processes that have its group leader.
    Process.group_leader(self(), Process.whereis(:init))
    Process.register(self(), __MODULE__)
    for scheduler <- 1..System.schedulers(), do: start_on(scheduler)
    stay()
  rescue
    # Another process has registered the name first, or the process table is full: those that were started end as well.
    _ in [ArgumentError, SystemLimitError] -> exit(:shutdown)
  end

  # The option that binds a process to a scheduler is known to every release from 25 to 29, but not documented, and its type
  # is not that of an option.
  defp start_on(scheduler) do
    spawn_opt = Function.capture(:erlang, :spawn_opt, 4)
    options = [:link, scheduler: scheduler, priority: :max, max_heap_size: 0]
    spawn_opt.(__MODULE__, :watch, [], options)
  end

  # Links end all watchers when one of them is killed, and the next guard starts them again.
  defp stay, do: receive(do: (_ -> stay()))

  @doc false
  def watch do
    Native.turn_watcher_enter()
    look()
  end

  # Hibernates until a turn has ended: what its heap refers to would stay alive, accounts of dead processes among it.
  @doc false
  def look do
    Enum.each(Native.turns_ended(), &poll/1)
    :erlang.hibernate(__MODULE__, :woken, [])
  end

  @doc false
  def woken, do: receive(do: (_ -> look()))

  defp poll({pid, child}) do
    with {heap, binaries} <- ProcessStats.at_rest(pid),
         {account, guard} <- Native.account_turn_ended(child, heap, binaries) do
      Native.account_breach(account, :usage)
      Children.exit_all(account)
      send(guard, :breached)
    end
  end
end
