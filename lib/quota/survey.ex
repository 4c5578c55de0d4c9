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

  @doc "Starts it for `guard`: `{survey, monitor}`."
  def start_monitor(account, guard, enforce) do
    :erlang.spawn_opt(__MODULE__, :watch, [account, guard, enforce], [:monitor, priority: :high])
  end

  @doc false
  def watch(account, guard, enforce) do
    Process.monitor(guard)
    look(account, guard, enforce)
  end

  defp look(account, guard, enforce) do
    started = now()
    surveyable = Native.account_surveyable(account)
    over = Enum.find(surveyable, &over?(&1, guard))
    if over, do: tell(over, guard)
    taken = now() - started

    receive do
      {:DOWN, _, _, ^guard, :normal} -> :ok
      {:DOWN, _, _, ^guard, _} -> if enforce, do: Members.kill(account)
    after
      Native.account_surveyed(account, length(surveyable), taken) -> look(account, guard, enforce)
    end
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
