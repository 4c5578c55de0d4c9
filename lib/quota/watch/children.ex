defmodule Quota.Watch.Children do
  @moduledoc false
  # The processes that count towards a quota, except its own.
  #
  # The tracer reports what counted processes spawn themselves. Tasks that a supervisor starts for them are found among their
  # links and monitors, by `$callers` and `$ancestors`. All other processes must be attached.

  alias Bounded.Native
  alias Quota.Watch.{ProcessStats, StopTheWorld, Tracer}

  # Milliseconds to wait for the answers of children.
  @answer_ms 2
  # Milliseconds for which children are asked again while the sum may be of figures of different moments: see `still_over?/2`.
  @doubt_ms 20
  # Milliseconds between searches for tasks that supervisors started.
  @scouting_ms 25
  # Attempts, a millisecond apart, to find a running process waiting.
  @discovery_rounds 3
  # A process with more than one part in this many of the limit, messages included, gets a watcher of its own.
  @large_share 64
  # Milliseconds until a child's first poll where children wait for a scheduler.
  @first_look_ms 3
  # The shortest time, in milliseconds, between two polls of a child where children take long turns: see `held_back_ms/2`.
  @unseen_ms 50

  @doc "`Quota.attach/1`."
  def attach(pid) do
    with {account, caller} <- Native.own_account(),
         true <- Native.account_counts_children(account),
         guard when is_pid(guard) <- Native.account_guard(account) do
      cond do
        Native.account_counts(account, pid) ->
          Process.alive?(pid)

        pid == caller ->
          raise ArgumentError,
                "#{inspect(pid)} waits for the work and cannot be attached: attached processes are killed when the work ends"

        true ->
          case add(account, pid, guard) do
            :taken -> raise ArgumentError, "#{inspect(pid)} has a quota of its own"
            outcome -> outcome == :adopted
          end
      end
    else
      _ -> raise ArgumentError, "Quota.attach/1 must be called in a quota with count: [:children]"
    end
  end

  # Counts `pid` from now on, unless it has a quota of its own.
  defp add(account, pid, guard) do
    child = Native.account_child(account)
    outcome = Native.account_adopt(child, pid)
    if outcome == :adopted, do: send(guard, {:counted, pid, child})
    outcome
  end

  @doc "Milliseconds between searches for tasks that supervisors started."
  def scouting, do: @scouting_ms

  @doc """
  Searches for tasks that supervisors started for the process of a `Quota.Watch.ChildWatcher`, unless that was done within
  `scouting/0`. Returns the time of the last search.

  A process answers a question for its links and monitors when it is next scheduled, so another process asks.
  """
  def scout(%{scouted: last} = child) do
    now = System.monotonic_time(:millisecond)

    if last == nil or now - last >= @scouting_ms do
      arguments = [[child.pid], child.head, child.guard]
      :erlang.spawn_opt(__MODULE__, :discover, arguments, priority: :high)
      now
    else
      last
    end
  rescue
    # The process table is full: the next poll tries again.
    SystemLimitError -> last
  end

  @doc "The same for all children of `account`. Returns a monitor of the process that searches, or nil if none can be started."
  def scout_all(account, guard) do
    options = [:monitor, priority: :high]
    {_, monitor} = :erlang.spawn_opt(__MODULE__, :discover_all, [account, guard], options)
    monitor
  rescue
    SystemLimitError -> nil
  end

  @doc false
  def discover_all(account, guard) do
    each_piece(account, fn children ->
      Enum.each(children, &promote(&1, account, guard))
      discover(for({pid, _child} <- children, do: pid), account, guard)
    end)
  end

  # The batch watcher does not see mailboxes: a child with a large one gets a watcher of its own.
  defp promote({pid, child}, account, guard) do
    with {:message_queue_len, queue} when queue > 0 <- Process.info(pid, :message_queue_len),
         {:memory, bytes} <- Process.info(pid, :memory),
         true <- bytes > div(Native.account_limit(account), @large_share),
         do: send(guard, {:runs, pid, child})
  end

  @doc false
  def discover(pids, account, guard), do: discover(pids, account, guard, @discovery_rounds)

  defp discover([], _account, _guard, _rounds), do: :ok
  defp discover(_running, _account, _guard, 0), do: :ok

  # Asks waiting processes only: a question to a running one would delay the next poll of it. A process whose sleeps coincide with
  # its watcher's is found running each time, hence several rounds.
  defp discover(pids, account, guard, rounds) do
    {waiting, running} =
      Enum.split_with(pids, &(Process.info(&1, :status) == {:status, :waiting}))

    Enum.each(waiting, &discover_of(&1, account, guard))
    if running != [], do: Process.sleep(1)
    discover(running, account, guard, rounds - 1)
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
    [:"$callers", :"$ancestors"]
    |> Enum.any?(&counted_in?(Bounded.Dictionary.get(pid, &1), account))
  end

  # The value in another process's dictionary may be any term, an improper list for example.
  defp counted_in?([pid | pids], account),
    do: (is_pid(pid) and Native.account_counts(account, pid)) or counted_in?(pids, account)

  defp counted_in?(_end, _account), do: false

  @doc """
  Traces `pid` and its children again after their trace session was destroyed, and counts what they started since. Another process
  does it, since tracing waits for the end of a timeslice.
  """
  def retake(pid, account, guard) do
    :erlang.spawn_opt(__MODULE__, :retake_all, [pid, account, guard], priority: :max)
    :ok
  rescue
    # The process table is full.
    SystemLimitError -> retake_all(pid, account, guard)
  end

  @doc false
  def retake_all(pid, account, guard) do
    Tracer.trace(pid, true)

    each_piece(account, fn children ->
      for {child, _account} <- children, do: Tracer.trace(child, true)
    end)

    add_uncounted(account, guard)
  end

  # Counts processes that counted ones started while they were not traced. Repeats until none is found: one may have started others.
  defp add_uncounted(account, guard) do
    found =
      for candidate <- Process.list(), uncounted?(candidate, account) do
        Tracer.trace(candidate, true)
        add(account, candidate, guard)
      end

    if found != [], do: add_uncounted(account, guard), else: :ok
  end

  defp uncounted?(pid, account) do
    with false <- Native.in_quota(pid),
         [parent: parent, initial_call: {module, _, _}] when is_pid(parent) <-
           Process.info(pid, [:parent, :initial_call]) do
      Native.account_counts(account, parent) and not Native.watcher_module(module)
    else
      _ -> false
    end
  end

  @doc "Whether processes wait for a scheduler."
  def crowded?, do: :erlang.statistics(:total_run_queue_lengths) > System.schedulers_online()

  @doc "Milliseconds until a new watcher polls: by then it is known whether children take long turns."
  def first_look_ms, do: if(crowded?(), do: @first_look_ms, else: 0)

  @doc """
  Milliseconds for which a watcher that has polled `since_ms` milliseconds ago polls no child of `account`, or 0. While children take long
  turns and wait for a scheduler, the turn watchers poll them: see `Quota.Watch.TurnWatcher`. A question, even for its status, makes a
  waiting child with a message run before all watchers. A waiting child does not grow, so this may last 50 to 100 ms: each watcher has
  its own time, so that not all ask at once.
  """
  def held_back_ms(account, since_ms) do
    if since_ms < @unseen_ms + :erlang.phash2(self(), @unseen_ms) and crowded?() and
         Native.account_long_turns(account),
       do: @first_look_ms,
       else: 0
  end

  @doc "Whether what counts towards `account`, without heap and binaries of its own process, was over the limit when last observed."
  def over?(account), do: Native.account_others(account) > Native.account_limit(account)

  @doc """
  Whether the sum of `:all` that counts towards `account`, or of its `:children` alone, is over the limit at one moment. Figures are read
  one after the other, so memory that one child gives back and the next one takes would count twice.

  Large children are asked again. Then the figures of those that were collected since they answered are left out, because a process
  gives memory back only when it is collected or ends. While the rest is within the limit, they are asked again, for
  #{@doubt_ms} ms. After that the last figures decide. Where there are more than a few children, they decide at once: a hundred could
  each take tens of megabytes meanwhile.

  Small children are not asked: many of them may wait for a scheduler, and would run before all watchers.
  """
  def still_over?(account, which), do: still_over?(account, which, false, now() + @doubt_ms)

  defp still_over?(account, which, in_doubt, until) do
    ask_large(account, 0, in_doubt)
    limit = Native.account_limit(account)

    cond do
      in_use(account, which) <= limit ->
        false

      holds?(account, which, limit) or now() >= until ->
        true

      # A child that was sent a signal answers when it has run, and this process may keep it from that.
      true ->
        Process.sleep(1)
        still_over?(account, which, true, until)
    end
  end

  # In doubt, also those that were sent a signal, if they were collected since they were last read.
  defp ask_large(account, from, in_doubt) do
    {children, next} = Native.account_large(account, from, in_doubt)
    observe(children)
    if next, do: ask_large(account, next, in_doubt), else: :ok
  end

  defp in_use(account, :children), do: Native.account_others(account)
  defp in_use(account, :all), do: account |> Native.account_usage() |> elem(3)

  defp holds?(account, which, limit) do
    case Native.account_held(account, which == :all) do
      nil -> true
      bytes -> bytes > limit
    end
  end

  # Each by a process of its own: one that has just begun to run, or to be collected on a dirty scheduler, answers late, and is not
  # waited for.
  defp observe(children) do
    reply = :erlang.alias()
    asked = Enum.count(children, &ask(&1, reply))
    observed(reply, asked, now() + @answer_ms)
    :erlang.unalias(reply)
  end

  defp ask({pid, child}, reply) do
    ask = fn ->
      collections = Native.account_collections(child)

      with {heap, binaries} <- ProcessStats.at_rest(pid),
           do: Native.account_observe_at_rest(child, heap, binaries, collections)

      send(reply, reply)
    end

    is_pid(:erlang.spawn_opt(ask, priority: :max, max_heap_size: 0))
  rescue
    # The process table is full.
    SystemLimitError -> false
  end

  defp observed(_reply, 0, _deadline), do: :ok

  # Yields instead of waiting: this process has the highest priority. If it waited, a child would run on its scheduler, and could take
  # tens of megabytes before the scheduler looks at its timers again.
  defp observed(reply, asked, deadline) do
    receive do
      ^reply -> observed(reply, asked - 1, deadline)
    after
      0 ->
        if now() < deadline do
          :erlang.yield()
          observed(reply, asked, deadline)
        else
          :late
        end
    end
  end

  @doc "Calls `fun` with lists of `{pid, account}` until every child of `account` was in one."
  def each_piece(account, fun, from \\ 0) do
    {children, next} = Native.account_children(account, from, false)
    fun.(children)
    if next, do: each_piece(account, fun, next), else: :ok
  end

  @doc "Forgets dead children whose death was not reported."
  def prune(account, from \\ 0) do
    next = Native.account_prune(account, from)
    if next, do: prune(account, next), else: :ok
  end

  @doc "Sends an exit signal `:kill` to all children of `account`."
  def exit_all(account) do
    {children, next} = Native.account_children(account, 0, false)

    # More than one batch may be a fork bomb, whose processes start others faster than one process can kill them.
    if next,
      do: StopTheWorld.run(fn -> each_piece(account, &exit_each/1) end),
      else: exit_each(children)
  end

  defp exit_each(children),
    do: Enum.each(children, fn {pid, _account} -> Process.exit(pid, :kill) end)

  @doc "Kills all children of `account`, and processes that they start meanwhile. Returns when all are dead."
  def kill(account) do
    exit_all(account)
    if wait_for_all(account, 0, false), do: kill(account), else: :ok
  end

  # Returns whether there were any.
  defp wait_for_all(account, from, any) do
    {children, next} = Native.account_children(account, from, false)

    dying =
      for {pid, child} <- children do
        ref = Process.monitor(pid)
        Process.exit(pid, :kill)
        {ref, pid, child}
      end

    # This may be the only process that learns of their deaths.
    for {ref, pid, child} <- dying do
      receive(do: ({:DOWN, ^ref, _, _, _} -> Native.account_dead(child, pid)))
    end

    any = any or children != []
    if next, do: wait_for_all(account, next, any), else: any
  end

  defp now, do: System.monotonic_time(:millisecond)
end
