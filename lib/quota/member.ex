defmodule Quota.Member do
  @moduledoc false
  # Watches one process that counts towards the quota of another, and tells the guard when the sum is
  # over the limit. Ends with either; should the guard be killed, the process dies as well, unless it is only
  # observed.
  #
  # It does not ask the process where it can read its figures: asked, a process answers when it has its next turn, which
  # among a hundred that each allocate as much as they can in theirs comes when all of them have. Nor can anybody else
  # read them while a question waits there.
  #
  # At `:max` priority, as all watchers of processes that count: a child may run at that, and below it nobody would look
  # while as many of them run as there are schedulers.

  alias Bounded.Native
  alias Quota.{Breach, Figures, Members, Tracer}

  @options [:monitor, priority: :max, fullsweep_after: 0, max_heap_size: 0]
  # One that has done anything since the last look has done that much, in reductions.
  @work 1_000
  # One that ran whenever it was looked at is asked then, however many are waiting for their turn.
  @patience 3

  defstruct [
    :pid,
    :account,
    :guard,
    :head,
    :trace,
    :session,
    monitored: false,
    runs: 0,
    work: 0,
    worked: true,
    scouted: nil
  ]

  @doc "Starts it for `guard`, the guard of `head`: `{member, monitor}`."
  def start_monitor(pid, account, guard, head, enforce),
    do: :erlang.spawn_opt(__MODULE__, :watch, [pid, account, guard, head, enforce], @options)

  @doc false
  def watch(pid, account, guard, head, enforce) do
    Process.monitor(guard)
    member = %__MODULE__{pid: pid, account: account, guard: guard, head: head}
    if look(member) != :normal and enforce, do: unguarded(member)
  end

  # Of those that the guard did not know yet, the watcher of its own process sees to the end.
  defp unguarded(%{pid: pid, account: account, head: head}) do
    Process.exit(pid, :kill)
    if account == head, do: Members.kill(head)
  end

  defp wait(%{pid: pid, guard: guard} = member, milliseconds) do
    receive do
      {:DOWN, _, _, ^guard, reason} -> reason
      {:DOWN, _, _, ^pid, _} -> :normal
      :overdue -> look(member)
    after
      milliseconds -> look(member)
    end
  end

  defp look(%{pid: pid} = member) do
    member = traced(member)

    case Figures.glimpse(pid) do
      nil -> dead(member)
      :runs -> running(member)
      {heap, binaries, queue, trace} -> seen(%{member | runs: 0}, heap, binaries, queue, trace)
    end
  end

  # The one of the guard's own work sees for all of them whether they are traced.
  defp traced(%{account: head, head: head} = member) do
    case Tracer.look(member.session) do
      {:ok, session} ->
        %{member | session: session}

      {:lost, session} ->
        send(member.guard, :untraced)
        %{member | session: session}
    end
  end

  defp traced(member), do: member

  defp running(%{runs: runs, account: account} = member) when runs < @patience do
    if crowded?() do
      # In a millisecond, or when it collects its heap.
      Native.account_alarm(account, 0)
      wait(%{member | runs: runs + 1}, 1)
    else
      ask(member)
    end
  end

  defp running(member), do: ask(member)

  defp crowded?, do: :erlang.statistics(:total_run_queue_lengths) > System.schedulers_online()

  defp dead(%{account: account, pid: pid}) do
    Native.account_dead(account, pid)
    :normal
  end

  defp ask(%{pid: pid, account: account} = member) do
    Native.account_asked(account)

    case Figures.of(pid) do
      nil -> dead(member)
      {heap, binaries, _work, queue} -> seen(%{member | runs: 0}, heap, binaries, queue, nil)
    end
  end

  defp seen(%{account: account} = member, heap, binaries, queue, trace) do
    worked = trace == nil or trace != member.trace
    work = if worked, do: member.work + @work, else: member.work
    milliseconds = next(Native.account_poll(account, heap, binaries, work, queue), member)
    member = monitor(member, trace)
    member = %{member | work: work, trace: trace}
    member |> scout(worked) |> wait_for_scout(milliseconds)
  end

  # A monitor is a signal as well. One that waits handles it at once, or does not grow before it does; one that has had a turn
  # since it was first looked at is not among many that wait for theirs.
  defp monitor(%{monitored: false, pid: pid, account: account} = member, trace)
       when trace != nil or member.work > @work do
    Native.account_asked(account)
    Process.monitor(pid)
    Native.account_attach(account, pid)
    %{member | monitored: true}
  end

  defp monitor(member, _trace), do: member

  # What has done something may have had others start processes for it.
  defp scout(member, worked) do
    worked = member.worked or worked
    scouted = if worked, do: Members.scout(member), else: member.scouted
    %{member | worked: worked and scouted == member.scouted, scouted: scouted}
  end

  defp wait_for_scout(%{worked: true} = member, milliseconds),
    do: wait(member, min(milliseconds, Members.scouting()))

  defp wait_for_scout(member, milliseconds), do: wait(member, milliseconds)

  defp next({:soft, milliseconds}, %{guard: guard}) do
    send(guard, :soft)
    milliseconds
  end

  defp next({:near, milliseconds}, _member), do: milliseconds

  defp next(over, %{guard: guard, pid: pid, account: account}) when over in [:over, :queue] do
    send(guard, {:over, over})
    # Unless it is killed before it can be asked.
    Breach.note_stack(pid, account)
    1
  end

  defp next(milliseconds, _member), do: milliseconds
end
