defmodule Quota.Watch.OrphanMonitor do
  @moduledoc false
  # Starts the guard of a process whose caller died before it could, and kills a process whose guard was killed: see
  # `native/nif/src/quota/orphan_monitor.rs`.
  #
  # It belongs to no application and no supervisor: quotas work before an application starts and after it stops. A process that
  # begins a quota starts the monitor if needed.

  alias Bounded.Native
  alias Quota.Watch.{Children, Guard}

  # Milliseconds between two searches for unguarded processes.
  @tick_ms 5
  # Ticks without an unguarded process, after which the monitor sleeps.
  @idle_ticks 20

  @doc "Starts the monitor unless it is running."
  def ensure do
    unless Process.whereis(__MODULE__), do: spawn(__MODULE__, :start, [])
    :ok
  end

  @doc false
  def start do
    # An application that stops kills the processes that have its group leader.
    Process.group_leader(self(), Process.whereis(:init))
    Process.flag(:priority, :max)
    Process.register(self(), __MODULE__)
    Native.orphan_monitor_enter()
    run(@idle_ticks)
  rescue
    # Another process has registered the name first.
    ArgumentError -> :ok
  end

  def run(0) do
    if Native.orphan_monitor_rest() do
      receive do
        _ -> run(@idle_ticks)
      end
    else
      run(@idle_ticks)
    end
  end

  def run(idle_ticks) do
    receive do
      _ -> run(@idle_ticks)
    after
      @tick_ms -> __MODULE__.run(watch(unguarded(0), idle_ticks))
    end
  end

  defp unguarded(from) do
    {late, next} = Native.orphan_monitor_unguarded(from)
    if next, do: late ++ unguarded(next), else: late
  end

  defp watch([], idle_ticks), do: idle_ticks - 1

  defp watch(late, _) do
    Enum.each(late, &see_to/1)
    @idle_ticks
  end

  defp see_to({pid, caller, account}) do
    case Native.account_guard(account) do
      nil -> Guard.start(pid, caller, account)
      _killed -> if abandoned?(pid, caller), do: kill(pid, account)
    end
  rescue
    # The process table is full: tried again at the next tick.
    SystemLimitError -> :ok
  end

  # A caller that is alive monitors the guard and kills the process itself. A process with a limit of its own (`put_limit`) is its
  # own caller.
  defp abandoned?(pid, pid), do: true
  defp abandoned?(_pid, caller), do: not Process.alive?(caller)

  # In another process, since `Children.kill/1` waits until the children are dead.
  defp kill(pid, account) do
    Process.exit(pid, :kill)
    spawn(Children, :kill, [account])
  rescue
    # The process table is full.
    SystemLimitError -> Children.exit_all(account)
  end
end
