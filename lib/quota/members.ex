defmodule Quota.Members do
  @moduledoc false
  # The processes that count towards a quota besides its own.
  #
  # What counted processes spawn themselves is reported by the tracer. Tasks that a supervisor starts
  # for them are found among their links and monitors, by `$callers` and `$ancestors`. Anything else
  # has to be attached.

  alias Bounded.Native
  alias Quota.Tracer

  # They watch, nobody watches them. By name: some of these modules use this one.
  @watchers Enum.map(~w(Guard Member Members Survey Sweeper Tracer), &:"Elixir.Quota.#{&1}")
  # Milliseconds between looks for tasks that supervisors have started.
  @scouting 25
  # Looks, a millisecond apart, at those that ran.
  @looks 3
  # A process that takes more than this part of the limit, messages included, is not left to the survey.
  @large 64

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

  @doc "Milliseconds between looks for what a process has had others start."
  def scouting, do: @scouting

  @doc """
  Looks for what the process of a `Quota.Member` has had others start, unless that was done just now. Says when it was.

  Asking for links and monitors waits until a process is scheduled, so another process asks.
  """
  def scout(%{scouted: last} = member) do
    now = System.monotonic_time(:millisecond)

    if last == nil or now - last >= @scouting do
      arguments = [[member.pid], member.head, member.guard]
      :erlang.spawn_opt(__MODULE__, :discover, arguments, priority: :high)
      now
    else
      last
    end
  rescue
    # There are as many processes as there can be: later.
    SystemLimitError -> last
  end

  @doc "The same of all that count towards `account`, for its survey: the monitor of who does it, or nil where nobody can."
  def scout_all(account, guard) do
    options = [:monitor, priority: :high]
    {_, monitor} = :erlang.spawn_opt(__MODULE__, :discover_all, [account, guard], options)
    monitor
  rescue
    SystemLimitError -> nil
  end

  @doc false
  def discover_all(account, guard) do
    each_piece(account, fn members ->
      Enum.each(members, &promote(&1, account, guard))
      discover(for({pid, _member} <- members, do: pid), account, guard)
    end)
  end

  # A survey does not see mailboxes: who has a large one gets a watcher of its own, which does.
  defp promote({pid, member}, account, guard) do
    with {:message_queue_len, queue} when queue > 0 <- Process.info(pid, :message_queue_len),
         {:memory, bytes} <- Process.info(pid, :memory),
         true <- bytes > div(Native.account_limit(account), @large),
         do: send(guard, {:runs, pid, member})
  end

  @doc false
  def discover(pids, account, guard), do: discover(pids, account, guard, @looks)

  defp discover([], _account, _guard, _looks), do: :ok
  defp discover(_running, _account, _guard, 0), do: :ok

  # Those that wait for their tasks, that is: asking one that runs would delay whoever looks at it next. One
  # that sleeps for as long as its watcher does is awake whenever that looks, so there is a second look.
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

  @doc """
  Traces the work `pid` again and all that count towards it, after its session was destroyed, and counts what they have started since.
  Tracing a process waits for its timeslice to end, so another process does it.
  """
  def retake(pid, account, guard) do
    :erlang.spawn_opt(__MODULE__, :retake_all, [pid, account, guard], priority: :max)
    :ok
  rescue
    # There are as many processes as there can be.
    SystemLimitError -> retake_all(pid, account, guard)
  end

  @doc false
  def retake_all(pid, account, guard) do
    Tracer.trace(pid, true)

    each_piece(account, fn members ->
      for {member, _account} <- members, do: Tracer.trace(member, true)
    end)

    orphans(account, guard)
  end

  # Until there are none: one may have started others before it was traced.
  defp orphans(account, guard) do
    found =
      for candidate <- Process.list(), orphan?(candidate, account) do
        Tracer.trace(candidate, true)
        add(account, candidate, guard)
      end

    if found != [], do: orphans(account, guard), else: :ok
  end

  defp orphan?(pid, account) do
    with false <- Native.in_quota(pid),
         [parent: parent, initial_call: {module, _, _}] when is_pid(parent) <-
           Process.info(pid, [:parent, :initial_call]) do
      Native.account_counts(account, parent) and module not in @watchers
    else
      _ -> false
    end
  end

  @doc "Calls `fun` with a list of `{pid, account}` at a time, until all that count towards `account` have been in one."
  def each_piece(account, fun, from \\ 0) do
    {members, next} = Native.account_members(account, from)
    fun.(members)
    if next, do: each_piece(account, fun, next), else: :ok
  end

  @doc "Forgets those that are dead though nobody has been told."
  def prune(account, from \\ 0) do
    next = Native.account_prune(account, from)
    if next, do: prune(account, next), else: :ok
  end

  @doc "Has every one of them killed, without waiting for it."
  def exit_all(account) do
    each_piece(account, fn members ->
      for {pid, _member} <- members, do: Process.exit(pid, :kill)
    end)
  end

  @doc "Kills every one of them, and what they start meanwhile. Returns when all are dead."
  def kill(account) do
    exit_all(account)
    if wait_for_all(account, 0, false), do: kill(account), else: :ok
  end

  # Says whether there were any.
  defp wait_for_all(account, from, any) do
    {members, next} = Native.account_members(account, from)

    dying =
      for {pid, member} <- members do
        ref = Process.monitor(pid)
        Process.exit(pid, :kill)
        {ref, pid, member}
      end

    # Nobody else may be told of their deaths.
    for {ref, pid, member} <- dying do
      receive(do: ({:DOWN, ^ref, _, _, _} -> Native.account_dead(member, pid)))
    end

    any = any or members != []
    if next, do: wait_for_all(account, next, any), else: any
  end
end
