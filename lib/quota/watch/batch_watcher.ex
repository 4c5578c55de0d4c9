defmodule Quota.Watch.BatchWatcher do
  @moduledoc false
  # Polls all children of a quota together, where there are many: see `native/core/src/arena/account/batch_poll.rs`.
  #
  # It sends no signal to a child, since among many runnable processes an answer takes long. So a child that runs at the time of a poll
  # gets a `ChildWatcher`, and children are not monitored: the poll finds the dead ones.
  #
  # It also searches for tasks that supervisors started for the children (`Children.scout_all/2`): `scout` is the monitor of the search
  # under way, `scouted` when it began, `rest` the time before which the next one does not begin, in microseconds.

  alias Bounded.Native
  alias Quota.Account.Breach
  alias Quota.Watch.{Children, ProcessStats}

  defstruct [:account, :guard, :enforce, :scout, scouted: nil, rest: nil, seen: nil]

  # Searches take at most one part in this many of a core.
  @scouting_share 20

  @doc "Starts a batch watcher for `guard`. Returns `{watcher, monitor}`."
  def start_monitor(account, guard, enforce) do
    :erlang.spawn_opt(__MODULE__, :watch, [account, guard, enforce], [
      :monitor,
      priority: :max,
      max_heap_size: 0
    ])
  end

  @doc false
  def watch(account, guard, enforce) do
    Process.monitor(guard)
    now = now()
    watcher = %__MODULE__{account: account, guard: guard, enforce: enforce, rest: now, seen: now}

    case Children.first_look_ms() do
      0 -> look(watcher)
      milliseconds -> wait(watcher, milliseconds)
    end
  end

  defp look(watcher) do
    case Children.held_back_ms(watcher.account, div(now() - watcher.seen, 1_000)) do
      0 -> look_at_all(watcher)
      milliseconds -> wait(watcher, milliseconds)
    end
  end

  defp look_at_all(%{account: account} = watcher) do
    started = now()
    polled = look_at(watcher, 0, 0)
    taken = now() - started
    wait = Native.account_batch_polled(account, polled, taken)
    %{watcher | seen: now()} |> scout(started) |> wait(wait)
  end

  # Returns the number of children polled: all, or until the sum was over the limit.
  defp look_at(%{account: account, guard: guard} = watcher, from, polled) do
    {children, next} = Native.account_children(account, from, true)
    polled = polled + length(children)

    case Enum.find(children, &over?(&1, guard)) do
      nil ->
        if next, do: look_at(watcher, next, polled), else: polled

      over ->
        tell(over, guard)
        polled
    end
  end

  defp wait(%{account: account, guard: guard, scout: scout} = watcher, milliseconds) do
    receive do
      {:DOWN, _, _, ^guard, :normal} -> :ok
      {:DOWN, _, _, ^guard, _} -> if watcher.enforce, do: Children.kill(account)
      :overdue -> look(watcher)
      {:DOWN, ^scout, _, _, _} -> watcher |> scouted() |> wait(milliseconds)
    after
      milliseconds -> look(watcher)
    end
  end

  # In another process, one at a time: asking many children takes long.
  defp scout(%{scout: nil, rest: rest} = watcher, now) when now >= rest do
    %{watcher | scout: Children.scout_all(watcher.account, watcher.guard), scouted: now}
  end

  defp scout(watcher, _now), do: watcher

  defp scouted(%{scouted: started} = watcher) do
    now = now()
    rest = max(Children.scouting() * 1_000, (now - started) * @scouting_share)
    %{watcher | scout: nil, rest: now + rest}
  end

  defp over?({pid, child}, guard) do
    collections = Native.account_collections(child)

    case ProcessStats.glance(pid) do
      {heap, binaries} ->
        Native.account_observe(child, heap, binaries, collections)

      :runs ->
        send(guard, {:runs, pid, child})
        false

      nil ->
        Native.account_dead(child, pid)
        false
    end
  end

  defp tell({pid, account}, guard) do
    send(guard, {:over, :over})
    # May find nothing: the child may be killed before it can answer.
    Breach.note_stack(pid, account)
  end

  defp now, do: System.monotonic_time(:microsecond)
end
