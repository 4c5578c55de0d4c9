defmodule Quota.Sweeper do
  @moduledoc false
  # Starts the guard of work whose caller died before it could, and ends work whose guard was killed: see
  # `native/nif/src/quota/orphan_monitor.rs`.
  #
  # It belongs to no application and no supervisor: quotas work before the one is started and after it
  # is stopped. Whoever begins a quota and finds the sweeper asleep or gone wakes it or starts it.

  alias Bounded.Native
  alias Quota.{Guard, Members}

  @tick 5
  # So many ticks without unguarded work, and it sleeps.
  @patience 20

  def wake do
    case Process.whereis(__MODULE__) do
      nil -> spawn(__MODULE__, :start, [])
      sweeper -> send(sweeper, :wake)
    end

    :ok
  end

  @doc "Has it be there, awake or not."
  def ensure do
    unless Process.whereis(__MODULE__), do: spawn(__MODULE__, :start, [])
    :ok
  end

  @doc false
  def start do
    # An application that is stopped kills those who have its group leader.
    Process.group_leader(self(), Process.whereis(:init))
    Process.flag(:priority, :max)
    Process.register(self(), __MODULE__)
    Native.sweeper_enter()
    sweep(@patience)
  rescue
    # Somebody else was faster.
    ArgumentError -> :ok
  end

  def sweep(0) do
    if Native.sweeper_rest() do
      receive do
        _ -> sweep(@patience)
      end
    else
      sweep(@patience)
    end
  end

  def sweep(patience) do
    receive do
      _ -> sweep(@patience)
    after
      @tick -> __MODULE__.sweep(watch(unguarded(0), patience))
    end
  end

  defp unguarded(from) do
    {late, next} = Native.sweeper_unguarded(from)
    if next, do: late ++ unguarded(next), else: late
  end

  defp watch([], patience), do: patience - 1

  defp watch(late, _) do
    Enum.each(late, &see_to/1)
    @patience
  end

  defp see_to({pid, caller, account}) do
    case Native.account_guard(account) do
      nil -> Guard.start(pid, caller, account)
      _killed -> if abandoned?(pid, caller), do: kill(pid, account)
    end
  rescue
    # There are as many processes as there can be: it is late again at the next tick.
    SystemLimitError -> :ok
  end

  # A caller that is alive has been told that the guard is dead, and ends the work itself. A process with a
  # limit of its own has no other.
  defp abandoned?(pid, pid), do: true
  defp abandoned?(_pid, caller), do: not Process.alive?(caller)

  # Who waits for the ends of those that the work has started cannot see to anything else meanwhile.
  defp kill(pid, account) do
    Process.exit(pid, :kill)
    spawn(Members, :kill, [account])
  end
end
