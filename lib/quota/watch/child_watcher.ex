defmodule Quota.Watch.ChildWatcher do
  @moduledoc false
  # Watches one process that counts towards a quota (a child, or the quota's own process), and tells the guard when the sum is over the
  # limit. It ends when the process or the guard ends. If the guard is killed, the process is killed too, unless it is only observed.
  #
  # It reads the child's figures without a signal where it can. A signal is answered in the child's next timeslice; among a
  # hundred children that allocate as fast as they can, all of them run before that. While a signal waits, no other process can
  # read the figures either.
  #
  # It runs at `:max` priority, like every watcher: children may run at that priority, and on every scheduler.

  alias Bounded.Native
  alias Quota.Account.Breach
  alias Quota.Watch.{Children, Mailbox, ProcessStats, Tracer}

  @options [:monitor, priority: :max, fullsweep_after: 0, max_heap_size: 0]
  # Reductions that count as done by a child that has run since the last poll: its own count cannot be read without a signal.
  @turn_reductions 1_000
  # While processes wait for a scheduler: polls in a row that find the child running, after which it is asked by a signal.
  @unasked_polls 3

  defstruct [
    :pid,
    :account,
    :guard,
    :head,
    :trace,
    :session,
    :seen,
    :collections,
    monitored: false,
    runs: 0,
    work: 0,
    worked: true,
    scouted: nil
  ]

  @doc "Starts a watcher of `pid` for `guard`, the guard of the account `head`. Returns `{watcher, monitor}`."
  def start_monitor(pid, account, guard, head, enforce),
    do: :erlang.spawn_opt(__MODULE__, :watch, [pid, account, guard, head, enforce], @options)

  @doc false
  def watch(pid, account, guard, head, enforce) do
    Process.monitor(guard)
    watcher = %__MODULE__{pid: pid, account: account, guard: guard, head: head, seen: now()}
    if first_look(watcher) != :normal and enforce, do: unguarded(watcher)
  end

  # The watcher of the quota's own process also kills children that the guard did not know yet.
  defp unguarded(%{pid: pid, account: account, head: head}) do
    Process.exit(pid, :kill)
    if account == head, do: Children.kill(head)
  end

  defp wait(%{pid: pid, guard: guard} = watcher, milliseconds) do
    receive do
      {:DOWN, _, _, ^guard, reason} -> reason
      {:DOWN, _, _, ^pid, _} -> :normal
      :overdue -> look(watcher)
    after
      milliseconds -> look(watcher)
    end
  end

  defp first_look(watcher) do
    case Children.first_look_ms() do
      0 -> look(watcher)
      milliseconds -> wait(watcher, milliseconds)
    end
  end

  defp look(watcher) do
    case Children.held_back_ms(watcher.head, now() - watcher.seen) do
      0 -> look_at(watcher)
      milliseconds -> wait(watcher, milliseconds)
    end
  end

  defp look_at(%{pid: pid, account: account} = watcher) do
    watcher = %{traced(watcher) | collections: Native.account_collections(account)}

    case ProcessStats.glimpse(pid) do
      nil -> dead(watcher)
      :runs -> running(watcher)
      {heap, binaries, queue, trace} -> seen(%{watcher | runs: 0}, heap, binaries, queue, trace)
    end
  end

  # The watcher of the quota's own process checks the trace session for all of them.
  defp traced(%{account: head, head: head} = watcher) do
    case Tracer.look(watcher.session) do
      {:ok, session} ->
        %{watcher | session: session}

      {:lost, session} ->
        send(watcher.guard, :untraced)
        %{watcher | session: session}
    end
  end

  defp traced(watcher), do: watcher

  defp running(%{runs: runs, account: account} = watcher) when runs < @unasked_polls do
    if Children.crowded?() do
      # Polls again in a millisecond, or when the child collects its heap.
      Native.account_alarm(account, 0)
      wait(%{watcher | runs: runs + 1}, 1)
    else
      ask(watcher)
    end
  end

  defp running(watcher), do: ask(watcher)

  defp dead(%{account: account, pid: pid}) do
    Native.account_dead(account, pid)
    :normal
  end

  defp ask(%{pid: pid, account: account} = watcher) do
    Native.account_asked(account)

    case ProcessStats.of(pid) do
      nil -> dead(watcher)
      {heap, binaries, _work, queue} -> seen(%{watcher | runs: 0}, heap, binaries, queue, nil)
    end
  end

  defp seen(%{account: account} = watcher, heap, binaries, queue, trace) do
    worked = trace == nil or trace != watcher.trace
    work = if worked, do: watcher.work + @turn_reductions, else: watcher.work
    polled = Native.account_poll(account, heap, binaries, work, queue, watcher.collections)
    milliseconds = polled |> mailbox(queue, watcher) |> next(watcher)
    watcher = monitor(watcher, trace)
    watcher = %{watcher | work: work, trace: trace, seen: now()}
    watcher |> scout(worked) |> wait_for_scout(milliseconds)
  end

  # A monitor is a signal too. A waiting child handles it at once. A child that has run since the first poll is not one of many
  # that wait for a scheduler.
  defp monitor(%{monitored: false, pid: pid, account: account} = watcher, trace)
       when trace != nil or watcher.work > @turn_reductions do
    Native.account_asked(account)
    Process.monitor(pid)
    Native.account_attach(account, pid)
    %{watcher | monitored: true}
  end

  defp monitor(watcher, _trace), do: watcher

  # A child that has run may have made a supervisor start processes for it.
  defp scout(watcher, worked) do
    worked = watcher.worked or worked
    scouted = if worked, do: Children.scout(watcher), else: watcher.scouted
    %{watcher | worked: worked and scouted == watcher.scouted, scouted: scouted}
  end

  defp wait_for_scout(%{worked: true} = watcher, milliseconds),
    do: wait(watcher, min(milliseconds, Children.scouting()))

  defp wait_for_scout(watcher, milliseconds), do: wait(watcher, milliseconds)

  defp mailbox(:over, queue, %{pid: pid, head: head}),
    do: if(Mailbox.over?(pid, queue, Native.account_limit(head)), do: :mailbox, else: :over)

  defp mailbox(polled, _queue, _watcher), do: polled

  defp next({:soft, milliseconds}, %{guard: guard}) do
    send(guard, :soft)
    milliseconds
  end

  defp next({:near, milliseconds}, _watcher), do: milliseconds

  defp next(over, %{guard: guard, pid: pid, account: account})
       when over in [:over, :queue, :mailbox] do
    send(guard, {:over, over})
    # May find nothing: the child may be killed before it can answer.
    Breach.note_stack(pid, account)
    1
  end

  defp next(milliseconds, _watcher), do: milliseconds

  defp now, do: System.monotonic_time(:millisecond)
end
