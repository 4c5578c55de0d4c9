defmodule Quota.Member do
  @moduledoc false
  # Watches one process that counts towards the quota of another, and tells the guard when the sum is
  # over the limit. Dies with either; should the guard be killed, the process dies as well.

  alias Bounded.Native
  alias Quota.{Breach, Figures}

  @doc "`discover` is called with the process and the group, each time it is looked at."
  def start(pid, account, group, guard, discover) do
    args = [pid, account, group, guard, discover]
    :erlang.spawn_opt(__MODULE__, :watch, args, priority: :high)
  end

  @doc false
  def watch(pid, account, group, guard, discover) do
    Process.monitor(pid)
    Process.monitor(guard)
    look({pid, account, group, guard, discover})
  end

  defp wait({pid, _, _, guard, _} = member, milliseconds) do
    receive do
      {:DOWN, _, _, ^guard, _} -> Process.exit(pid, :kill)
      {:DOWN, _, _, ^pid, _} -> :ok
    after
      milliseconds -> look(member)
    end
  end

  defp look({pid, account, group, guard, discover} = member) do
    discover.(pid, group)

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

  defp next({_near, milliseconds}, pid, account, _guard) do
    Breach.note_stack(pid, account)
    milliseconds
  end

  defp next(over, pid, account, guard) when over in [:over, :queue] do
    Breach.note_stack(pid, account)
    send(guard, {:over, over})
    1
  end

  defp next(milliseconds, _pid, _account, _guard), do: milliseconds
end
