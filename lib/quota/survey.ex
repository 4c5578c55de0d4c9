defmodule Quota.Survey do
  @moduledoc false
  # Looks at all processes that count towards a quota in one go, where there are many of them: see
  # `native/core/src/arena/account/survey.rs`.
  #
  # It asks nobody, since among many it takes long until who was asked has a turn and answers. Two things
  # follow. Who runs whenever this looks gets a watcher of its own. And nobody is monitored: the signal would have to
  # be handled first. That one is dead is seen here instead.

  alias Bounded.Native
  alias Quota.{Breach, Figures, Members}

  defstruct [:account, :guard, :enforce, :scout, scouted: nil, rest: nil]

  # Looking for what they have had others start takes at most this part of a core.
  @share 20

  @doc "Starts it for `guard`: `{survey, monitor}`."
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
    look(%__MODULE__{account: account, guard: guard, enforce: enforce, rest: now()})
  end

  defp look(%{account: account} = survey) do
    started = now()
    surveyed = look_at(survey, 0, 0)
    taken = now() - started
    wait = Native.account_surveyed(account, surveyed, taken)
    survey |> scout(started) |> wait(wait)
  end

  # Says how many it has looked at: all, or until the sum was over the limit.
  defp look_at(%{account: account, guard: guard} = survey, from, surveyed) do
    {members, next} = Native.account_surveyable(account, from)
    surveyed = surveyed + length(members)

    case Enum.find(members, &over?(&1, guard)) do
      nil ->
        if next, do: look_at(survey, next, surveyed), else: surveyed

      over ->
        tell(over, guard)
        surveyed
    end
  end

  defp wait(%{account: account, guard: guard, scout: scout} = survey, milliseconds) do
    receive do
      {:DOWN, _, _, ^guard, :normal} -> :ok
      {:DOWN, _, _, ^guard, _} -> if survey.enforce, do: Members.kill(account)
      :overdue -> look(survey)
      {:DOWN, ^scout, _, _, _} -> survey |> scouted() |> wait(milliseconds)
    after
      milliseconds -> look(survey)
    end
  end

  # Another process asks, one at a time: who has many to ask takes long.
  defp scout(%{scout: nil, rest: rest} = survey, now) when now >= rest do
    %{survey | scout: Members.scout_all(survey.account, survey.guard), scouted: now}
  end

  defp scout(survey, _now), do: survey

  defp scouted(%{scouted: started} = survey) do
    now = now()
    rest = max(Members.scouting() * 1_000, (now - started) * @share)
    %{survey | scout: nil, rest: now + rest}
  end

  defp over?({pid, member}, guard) do
    case Figures.glance(pid) do
      {heap, binaries} ->
        Native.account_observe(member, heap, binaries)

      :runs ->
        send(guard, {:runs, pid, member})
        false

      nil ->
        Native.account_dead(member, pid)
        false
    end
  end

  defp tell({pid, account}, guard) do
    send(guard, {:over, :over})
    # Unless it is killed before it can be asked.
    Breach.note_stack(pid, account)
  end

  defp now, do: System.monotonic_time(:microsecond)
end
