defmodule Quota.Members do
  @moduledoc false
  # The processes that count towards a quota besides its own.
  #
  # What counted processes spawn themselves is reported by the tracer. Tasks that a supervisor starts
  # for them are found among their links and monitors, by `$callers` and `$ancestors`. Anything else
  # has to be attached.

  alias Bounded.Native
  # Milliseconds between looks for tasks that supervisors have started.
  @scouting 25
  # More than there can be.
  @all 0xFFFF_FFFF
  # Looks, a millisecond apart, at those that ran.
  @looks 3

  @doc "`Quota.attach/1`."
  def attach(pid) do
    with {account, _caller} <- Native.own_account(),
         guard when is_pid(guard) <- Native.account_guard(account) do
      cond do
        Native.account_counts(account, pid) ->
          Process.alive?(pid)

        Native.in_quota(pid) ->
          raise ArgumentError, "#{inspect(pid)} has a quota of its own"

        true ->
          add(account, pid, guard)
      end
    else
      _ -> raise ArgumentError, "the caller runs in no quota that counts children"
    end
  end

  # Counts from now on. Says whether it is alive.
  defp add(account, pid, guard) do
    member = Native.account_member(account)
    alive = Native.account_attach(member, pid)
    if alive, do: send(guard, {:counted, pid, member})
    alive
  end

  @doc """
  Looks for what counted processes have had others start: takes and returns when that was last done.

  Asking for links and monitors waits until a process is scheduled, so another process asks.
  """
  def scout(last, account) do
    now = System.monotonic_time(:millisecond)

    if last == nil or now - last >= @scouting do
      :erlang.spawn_opt(__MODULE__, :discover, [account, self()], priority: :high)
      now
    else
      last
    end
  end

  @doc false
  def discover(account, guard),
    do: discover(Native.account_counted(account), account, guard, @looks)

  defp discover([], _account, _guard, _looks), do: :ok
  defp discover(_running, _account, _guard, 0), do: :ok

  # Those that wait for their tasks, that is: asking one that runs would delay whoever looks at it next. One
  # that sleeps for as long as the guard does is awake whenever that looks, so there is a second look.
  defp discover(pids, account, guard, looks) do
    {waiting, running} =
      Enum.split_with(pids, &(Process.info(&1, :status) == {:status, :waiting}))

    Enum.each(waiting, &discover_of(&1, account, guard))
    if running != [], do: Process.sleep(1)
    discover(running, account, guard, looks - 1)
  end

  defp discover_of(pid, account, guard) do
    with [links: links, monitors: monitors] <- Process.info(pid, [:links, :monitors]) do
      for candidate <- for({:process, pid} <- monitors, do: pid) ++ links,
          is_pid(candidate) and node(candidate) == node(),
          not Native.in_quota(candidate),
          started_by_counted?(candidate, account),
          do: add(account, candidate, guard)
    end
  end

  defp started_by_counted?(pid, account) do
    case Process.info(pid, :dictionary) do
      {:dictionary, dictionary} ->
        callers = Keyword.get(dictionary, :"$callers", [])
        ancestors = Keyword.get(dictionary, :"$ancestors", [])
        Enum.any?(callers ++ ancestors, &(is_pid(&1) and Native.account_counts(account, &1)))

      nil ->
        false
    end
  end

  @doc "Has every one of them killed, without waiting for it."
  def exit_all(account), do: Enum.each(Native.account_members(account), &Process.exit(&1, :kill))

  @doc "Kills every one of them, and what they start meanwhile. Returns when all are dead."
  def kill(account) do
    Native.account_spawned(account, @all)

    case Native.account_members(account) do
      [] ->
        :ok

      members ->
        refs = for pid <- members, do: Process.monitor(pid)
        Enum.each(members, &Process.exit(&1, :kill))
        Enum.each(refs, fn ref -> receive(do: ({:DOWN, ^ref, _, _, _} -> :ok)) end)
        kill(account)
    end
  end
end
