defmodule Quota.Member do
  @moduledoc false
  # Watches one process that counts towards the quota of another, and tells the guard when the sum is
  # over the limit. Ends with either; should the guard be killed, the process dies as well, unless it is only
  # observed.

  alias Bounded.Native
  alias Quota.{Breach, Figures}

  @options [:monitor, priority: :high, fullsweep_after: 0]

  @doc "Starts it for `guard`: `{member, monitor}`."
  def start_monitor(pid, account, guard, enforce),
    do: :erlang.spawn_opt(__MODULE__, :watch, [pid, account, guard, enforce], @options)

  @doc false
  def watch(pid, account, guard, enforce) do
    Process.monitor(pid)
    Process.monitor(guard)
    if look({pid, account, guard}) != :normal and enforce, do: Process.exit(pid, :kill)
  end

  defp wait({pid, _, guard} = member, milliseconds) do
    receive do
      {:DOWN, _, _, ^guard, reason} -> reason
      {:DOWN, _, _, ^pid, _} -> :normal
    after
      milliseconds -> look(member)
    end
  end

  defp look({pid, account, guard} = member) do
    case Figures.of(pid) do
      nil ->
        wait(member, :infinity)

      {heap, binaries, work, queue} ->
        wait(
          member,
          next(Native.account_poll(account, heap, binaries, work, queue), pid, account, guard)
        )
    end
  end

  defp next({:soft, milliseconds}, _pid, _account, guard) do
    send(guard, :soft)
    milliseconds
  end

  defp next({:near, milliseconds}, _pid, _account, _guard), do: milliseconds

  defp next(over, pid, account, guard) when over in [:over, :queue] do
    send(guard, {:over, over})
    # Unless it is killed before it can be asked.
    Breach.note_stack(pid, account)
    1
  end

  defp next(milliseconds, _pid, _account, _guard), do: milliseconds
end
