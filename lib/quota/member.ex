defmodule Quota.Member do
  @moduledoc false
  # Watches one process that counts towards the quota of another, and tells the guard when the sum is
  # over the limit. Ends with either; should the guard be killed, the process dies as well, unless it is only
  # observed.
  #
  # At `:max` priority, as all watchers of processes that count: a child may run at that, and below it nobody would look
  # while as many of them run as there are schedulers.

  alias Bounded.Native
  alias Quota.{Breach, Figures, Members}

  @options [:monitor, priority: :max, fullsweep_after: 0, max_heap_size: 0]
  # Fewer reductions than that between two looks, and the process has done nothing: asking it costs it some.
  @idle_work 100
  # Whoever waits longer for the next look, in milliseconds, is woken when the process collects its heap.
  @long 10

  defstruct [:pid, :account, :guard, :head, work: 0, worked: true, scouted: nil]

  @doc "Starts it for `guard`, the guard of `head`: `{member, monitor}`."
  def start_monitor(pid, account, guard, head, enforce),
    do: :erlang.spawn_opt(__MODULE__, :watch, [pid, account, guard, head, enforce], @options)

  @doc false
  def watch(pid, account, guard, head, enforce) do
    Process.monitor(pid)
    Process.monitor(guard)
    member = %__MODULE__{pid: pid, account: account, guard: guard, head: head}
    if look(member) != :normal and enforce, do: Process.exit(pid, :kill)
  end

  defp wait(%{pid: pid, guard: guard} = member, milliseconds) do
    if milliseconds > @long, do: Native.account_rest(member.account)

    receive do
      {:DOWN, _, _, ^guard, reason} -> reason
      {:DOWN, _, _, ^pid, _} -> :normal
      :collected -> look(member)
    after
      milliseconds -> look(member)
    end
  end

  defp look(%{pid: pid, account: account} = member) do
    case Figures.of(pid) do
      nil ->
        wait(member, :infinity)

      {heap, binaries, work, queue} ->
        milliseconds = next(Native.account_poll(account, heap, binaries, work, queue), member)
        member |> scout(work) |> wait_for_scout(milliseconds)
    end
  end

  # What has done something may have had others start processes for it.
  defp scout(member, work) do
    worked = member.worked or work - member.work > @idle_work
    scouted = if worked, do: Members.scout(member), else: member.scouted
    %{member | work: work, worked: worked and scouted == member.scouted, scouted: scouted}
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
