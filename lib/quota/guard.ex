defmodule Quota.Guard do
  @moduledoc false
  # Watches the work of one quota: looks at it by deadline, kills it over its limit, and when its
  # caller dies. It knows pids and the account, never the work or its result.
  #
  # Asking a process for its figures waits until it can answer. A guard that waits loses nothing: its
  # process is in a call that does not yield, in which no kill would reach it. Processes that the work
  # has started have watchers of their own (`Quota.Member`), so that none of them hides another, or are
  # watched together where they are many (`Quota.Survey`). Where one of these watchers is killed, so is the
  # guard's work: nothing goes on unwatched.

  alias Bounded.Native
  alias Quota.{Breach, Figures, Member, Members, Plan, Survey, Tables, Vm}

  import Quota.Look

  defstruct [
    :pid,
    :caller,
    :account,
    :plan,
    :tables,
    :largest,
    :collecting,
    :pardoned,
    :session,
    members: 0,
    survey: false,
    slack: 0,
    single: 0,
    unlisted: 0,
    reported: false
  ]

  # Work may run at `:max`, and a guard below that would not run while as many such processes do as there are schedulers.
  # A guard keeps next to nothing: an old generation would be empty, and larger than the rest of it. The limit that a node may
  # have on every process is not meant for what lists the binaries of another.
  @options [priority: :max, fullsweep_after: 0, max_heap_size: 0]
  # Milliseconds between looks at work that is only observed, once its breach is known.
  @patience 10
  # Milliseconds that processes which the work has just started are left alone: most of many are dead by then.
  @newborn 1
  # Milliseconds between looks for a breach that the VM has recorded, where the work is only observed and children count.
  @unhurried 200
  # Collecting work that then proves to be within its limit takes at most this part of its time.
  @fairness 4
  # Percent of the limit that work may take while it waits to be collected, or was collected just now.
  @uncollected 150
  # With so many counted processes each of their watchers looks less often than that, and no more are started.
  @many 40

  @doc "Starts watching `pid` for `caller`, unless someone else does already. `{guard, monitor}`."
  def start_monitor(pid, caller, account, plan) do
    :erlang.spawn_opt(__MODULE__, :watch, [pid, caller, account, plan], [:monitor | @options])
  end

  @doc "Like `start_monitor/4`, without the monitor."
  def start(pid, caller, account, plan \\ %Plan{}) do
    :erlang.spawn_opt(__MODULE__, :watch, [pid, caller, account, plan], @options)
  end

  @doc "Ends the watching of a process that is no longer limited."
  def stop(guard) do
    ref = Process.monitor(guard)
    send(guard, :stop)

    receive do
      {:DOWN, ^ref, _, _, _} -> :ok
    end
  end

  @doc false
  def watch(pid, caller, account, plan) do
    if Native.account_guarded(account, self()) do
      Process.monitor(caller)
      Process.monitor(pid)
      guard = %__MODULE__{pid: pid, caller: caller, account: account, plan: plan}
      # Where children count, the guard asks nobody: all the while they could go on unseen.
      look(if plan.children, do: alone(guard, pid, account), else: guard)
      # A guard that dies without having said this was killed, and so is what it watched.
      Native.account_guard_done(account)
    end
  end

  defp wait(%{pid: pid, caller: caller} = guard, milliseconds) do
    receive do
      {:DOWN, _, _, ^pid, reason} -> ended(guard, reason)
      {:DOWN, _, _, ^caller, _} -> kill(guard)
      {:DOWN, _, _, _, :normal} -> wait(%{guard | members: guard.members - 1}, milliseconds)
      {:DOWN, _, _, _, reason} -> watcher_died(guard, reason, milliseconds)
      :spawned -> guard |> soon() |> wait(@newborn)
      :overdue -> look(guard)
      {:counted, pid, member} -> guard |> counted(pid, member) |> look()
      {:runs, pid, member} -> guard |> alone(pid, member) |> look()
      :too_many -> too_many(guard)
      :untraced -> guard |> retraced() |> wait(milliseconds)
      {:over, how} -> over(guard, how)
      :soft -> guard |> softly_over() |> wait(milliseconds)
      {:garbage_collect, ref, _} -> collected(guard, ref)
      :stop -> :ok
    after
      milliseconds -> look(guard)
    end
  end

  defp look(%{plan: %{enforce: false}, reported: false} = guard),
    do: guard |> noticed() |> looked()

  defp look(guard), do: looked(guard)

  # By the VM, which would have killed the work.
  defp noticed(guard) do
    breach = Native.account_cause(guard.account) != nil
    if breach, do: Breach.report(guard.pid, guard.caller, guard.account, false)
    %{guard | reported: breach}
  end

  defp looked(%{plan: %{children: true}} = guard),
    do: guard |> tables() |> adopt() |> rest()

  defp looked(guard) do
    case guard |> traced() |> tables() |> poll() do
      {:wait, guard, milliseconds} -> wait(guard, milliseconds)
      {:over, guard, how} -> over(guard, how)
      {:dead, guard} -> wait(guard, :infinity)
    end
  end

  defp tables(%{plan: %{ets: true}, account: account} = guard),
    do: %{guard | tables: Tables.observe(guard.tables, account, guard.pid)}

  defp tables(guard), do: guard

  defp soon(guard) do
    Native.account_due(guard.account, @newborn)
    guard
  end

  # Until somebody tells of something: the tracer of processes that were started, watchers of what they see.
  defp rest(%{plan: %{ets: true}} = guard), do: wait(guard, Tables.milliseconds(guard.tables))

  defp rest(%{plan: %{enforce: false}, reported: false} = guard), do: wait(guard, @unhurried)
  defp rest(guard), do: wait(guard, :infinity)

  # The rest are left to the survey.
  defp adopt(%{survey: true} = guard), do: guard
  defp adopt(%{members: members} = guard) when members >= @many, do: survey(guard)

  defp adopt(%{members: members} = guard) do
    {more, spawned} = Native.account_spawned(guard.account, @many - members)
    guard = Enum.reduce(spawned, guard, fn {pid, member}, guard -> alone(guard, pid, member) end)
    if more, do: adopt(guard), else: guard
  end

  # Those that are dead may not be known to be.
  defp too_many(guard) do
    Members.prune(guard.account)
    if Native.account_too_many(guard.account), do: over(guard, :children), else: look(guard)
  end

  defp counted(%{members: members} = guard, _pid, _member) when members >= @many,
    do: survey(guard)

  defp counted(guard, pid, member), do: alone(guard, pid, member)

  defp alone(guard, pid, member) do
    if Native.account_watched(member) do
      Member.start_monitor(pid, member, self(), guard.account, guard.plan.enforce)
      %{guard | members: guard.members + 1}
    else
      guard
    end
  end

  defp survey(%{survey: false} = guard) do
    Survey.start_monitor(guard.account, self(), guard.plan.enforce)
    %{guard | survey: true}
  end

  defp survey(guard), do: guard

  # Work that is only observed goes on, here as when the guard is killed.
  defp watcher_died(%{plan: %{enforce: false}} = guard, _reason, milliseconds),
    do: wait(guard, milliseconds)

  # Whoever sees to the work of a guard that is killed sees to this.
  defp watcher_died(guard, reason, _milliseconds) do
    Members.exit_all(guard.account)
    exit({:watcher_died, reason})
  end

  defp over(%{reported: true} = guard, _), do: wait(guard, @patience)

  defp over(guard, :queue) do
    noted(guard)
    Native.account_breach_queue(guard.account)
    breach(guard)
  end

  defp over(guard, :children) do
    Native.account_breach_children(guard.account)
    breach(guard)
  end

  defp over(guard, :over) do
    cond do
      Figures.sure?(guard.account) or others_over?(guard) ->
        guard |> stop_working() |> noted() |> breach_of_sum()

      spared?(guard) ->
        wait(guard, 1)

      true ->
        judge(guard)
    end
  end

  # Whether what counts besides the process itself is over the limit alone: then nothing that it answers can change that, and among
  # many that run it takes long to answer.
  defp others_over?(%{plan: %{children: true}, pid: pid, account: account} = guard) do
    {_heap, _binaries, _native, total, _peak} = Native.account_usage(account)

    case Figures.glimpse(pid) do
      {heap, binaries, _queue, _trace} ->
        total - heap - binaries > Native.account_limit(account)

      _runs ->
        excessive?(guard)
    end
  end

  defp others_over?(_guard), do: false

  # The answer to a request of `recount/1`: the work has been collected just now.
  defp collected(%{collecting: ref} = guard, ref) do
    guard = %{guard | collecting: nil}

    case poll(counted_once(guard), :collected) do
      {:over, guard, :over} -> guard |> noted() |> breach_of_sum()
      {:over, guard, :queue} -> over(guard, :queue)
      {:wait, guard, milliseconds} -> wait(guard, milliseconds)
      {:dead, guard} -> wait(guard, :infinity)
    end
  end

  defp collected(guard, _other), do: wait(guard, 1)

  # It is to be collected as soon as it can be, or was just now and is within its limit but for garbage.
  defp spared?(%{collecting: nil, pardoned: until} = guard),
    do: until != nil and now() < until and not excessive?(guard)

  defp spared?(guard), do: not excessive?(guard)

  defp excessive?(%{account: account}) do
    {_heap, _binaries, _native, total, _peak} = Native.account_usage(account)
    total > div(Native.account_limit(account) * @uncollected, 100)
  end

  # Without waiting for it: of all that is asked next, the answers come after one timeslice of the work, and
  # not one for each.
  defp stop_working(%{plan: %{children: true}} = guard), do: guard
  defp stop_working(%{plan: %{enforce: false}} = guard), do: guard

  defp stop_working(guard) do
    Vm.suspend(guard.pid)
    guard
  end

  # Fair before fatal: binaries that are referred to more than once, and what nobody has collected yet.
  # Every question waits for the end of the work's timeslice, in which it can take tens of megabytes, so
  # it is suspended meanwhile, where that is safe. Should the guard die, the VM resumes it.
  defp judge(guard) do
    if Vm.resumes?(), do: Vm.suspend(guard.pid)
    guard = noted(guard)

    if Figures.live_over_half?(guard.pid, Native.account_limit(guard.account)),
      do: breach_of_sum(guard),
      else: recount(guard)
  end

  defp recount(guard) do
    started = now()

    limit = Native.account_limit(guard.account)

    with %{single: single} = guard when single <= limit <- counted_once(guard),
         {:over, guard, :over} <- poll(guard),
         true <- Figures.collectable?(guard.pid, limit),
         :ok <- collect(guard),
         {:over, guard, :over} <- poll(counted_once(guard), :collected) do
      breach_of_sum(guard)
    else
      # One binary is over the limit, garbage or not, or collecting would take too much.
      %__MODULE__{} = guard -> breach_of_sum(guard)
      false -> breach_of_sum(guard)
      nil -> wait(guard, :infinity)
      {:deferred, ref} -> deferred(guard, ref)
      {:wait, guard, milliseconds} -> guard |> acquit(started) |> wait(milliseconds)
      {:over, guard, :queue} -> over(guard, :queue)
      {:dead, guard} -> wait(guard, :infinity)
    end
  end

  defp acquit(guard, started) do
    Vm.resume(guard.pid)
    now = now()
    %{guard | pardoned: now + @fairness * (now - started)}
  end

  # Work that is suspended would never come to be collected. A binary that is being made may be garbage by then.
  defp deferred(%{collecting: nil} = guard, ref) do
    if guard.unlisted > Native.account_limit(guard.account) do
      breach_of_sum(guard)
    else
      Vm.resume(guard.pid)
      wait(%{guard | collecting: ref}, 1)
    end
  end

  # It has gone on growing all the while.
  defp deferred(guard, _ref), do: breach_of_sum(guard)

  defp breach_of_sum(guard) do
    Native.account_breach(guard.account)
    breach(guard)
  end

  defp breach(%{plan: %{enforce: false}} = guard) do
    Breach.report(guard.pid, guard.caller, guard.account, false)
    Vm.resume(guard.pid)
    wait(%{guard | reported: true}, @patience)
  end

  defp breach(%{plan: %{report: true}} = guard) do
    Breach.report(guard.pid, guard.caller, guard.account, true)
    kill(%{guard | reported: true})
  end

  defp breach(guard), do: kill(guard)

  defp now, do: System.monotonic_time(:millisecond)

  # `:kill`, because a process that traps exits survives anything softer.
  defp kill(guard) do
    Process.exit(guard.pid, :kill)
    if guard.plan.children, do: Members.exit_all(guard.account)
    wait_dead(guard)
  end

  defp wait_dead(%{pid: pid} = guard) do
    receive do
      {:DOWN, _, _, ^pid, reason} -> ended(guard, reason)
    end
  end

  defp ended(guard, reason) do
    # The VM killed it, or nobody here knows who: only a recorded cause is a breach.
    if reason == :killed and guard.plan.report and not guard.reported,
      do: Breach.report(guard.pid, guard.caller, guard.account, true)

    if guard.plan.children, do: Members.kill(guard.account)
  end
end
