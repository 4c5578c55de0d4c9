defmodule Quota.Member do
  @moduledoc false
  # Watches one process that counts towards the quota of another, and tells the guard when the sum is
  # over the limit. Dies with either; should the guard be killed, the process dies as well.

  alias Bounded.Native
  alias Quota.{Breach, Figures}

  def start(pid, account, guard) do
    :erlang.spawn_opt(__MODULE__, :watch, [pid, account, guard],
      priority: :high,
      fullsweep_after: 0
    )
  end

  @doc false
  def watch(pid, account, guard) do
    Process.monitor(pid)
    Process.monitor(guard)
    look({pid, account, guard})
  end

  defp wait({pid, _, guard} = member, milliseconds) do
    receive do
      {:DOWN, _, _, ^guard, _} -> Process.exit(pid, :kill)
      {:DOWN, _, _, ^pid, _} -> :ok
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
