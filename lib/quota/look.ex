defmodule Quota.Look do
  @moduledoc false
  # What a guard sees of its work at one moment, and asks of it. Takes and returns the guard.

  alias Bounded.Native
  alias Quota.{Binaries, Breach, Figures, Members, Tracer}

  def poll(%{pid: pid, account: account} = guard, state \\ :uncollected) do
    case Figures.judged(pid, state) do
      nil ->
        {:dead, guard}

      {heap, binaries, work, queue} ->
        limit = Native.account_limit(account)
        {room, guard} = room(guard, state, heap, binaries, limit)
        counted = max(binaries - guard.slack, 0)

        case Native.account_poll(account, heap, counted + room, work, queue) do
          {:near, milliseconds} -> {:wait, noted(guard), milliseconds}
          {:soft, milliseconds} -> {:wait, softly_over(guard), milliseconds}
          how when how in [:over, :queue] -> {:over, guard, how}
          milliseconds -> {:wait, guard, milliseconds}
        end
    end
  end

  # Up to OTP 25 many binaries that were appended to look like one that is.
  defp room(guard, :collected, _heap, _binaries, _limit), do: {0, guard}

  defp room(guard, _uncollected, heap, binaries, limit) do
    {room, largest} = Binaries.room(guard.pid, heap, binaries, limit, guard.largest)
    {room, %{guard | largest: largest}}
  end

  # Where it balloons: what the error will show. Not where children count: which of them it is, its
  # watcher knows, and among many that run, asking takes a second in which they all go on.
  def noted(%{plan: %{children: true}} = guard), do: guard

  def noted(%{pid: pid, account: account} = guard) do
    Breach.note_stack(pid, account)
    guard
  end

  def softly_over(guard) do
    Figures.collect(guard.pid)
    Quota.Telemetry.soft_limit(guard.pid, guard.caller, guard.account)
    guard
  end

  def counted_once(%{plan: plan, account: account} = guard) do
    limit = Native.account_limit(account)
    {slack, largest, unlisted} = Binaries.counted_once(guard.pid, plan.shared, limit)
    %{guard | slack: slack, single: largest, unlisted: unlisted}
  end

  def collect(guard) do
    collected = Figures.collect(guard.pid)
    # Native memory goes back when destructors have run, which is other work than collecting.
    if Figures.native?(guard.account), do: Process.sleep(1)
    collected
  end

  @doc "Traces the work again, where somebody has destroyed the session that it was traced in."
  def traced(guard) do
    case Tracer.look(guard.session) do
      {:lost, _} -> retraced(guard)
      {:ok, session} -> %{guard | session: session}
    end
  end

  @doc "Traces the work in the session of now, unless this guard has done that. What was started meanwhile counts again."
  def retraced(%{pid: pid, plan: plan, account: account} = guard) do
    session = Tracer.session_of_now()

    cond do
      session == guard.session -> :ok
      plan.children -> Members.retake(pid, account, self())
      true -> Tracer.trace(pid, false)
    end

    %{guard | session: session}
  end
end
