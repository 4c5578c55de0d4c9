defmodule Quota.Watch.Guard do
  @moduledoc false
  # Watches the process of one quota. It polls the process at intervals (`native/core/src/arena/account/poll_interval.rs`), and kills it
  # when it is over its limit or when its caller dies. A guard knows pids and the account, but neither the function nor its result.
  #
  # `Process.info/2` waits until the process can answer. The guard loses nothing by waiting: the process is then in a call that
  # does not yield, and a kill would not take effect earlier. Each counted child has a watcher of its own
  # (`Quota.Watch.ChildWatcher`), so that a child that cannot answer does not hide the others. Many children share one
  # (`Quota.Watch.BatchWatcher`). When a watcher is killed, the guard's process is killed too: no process runs unwatched.

  alias Bounded.{Native, Vm}
  alias Quota.Account.Breach
  alias Quota.Watch.{BatchWatcher, ChildWatcher, Children, Ets, Policy, ProcessStats, TurnWatcher}

  import Quota.Watch.Poll

  defstruct [
    :pid,
    :caller,
    :account,
    :policy,
    :tables,
    :largest,
    :collecting,
    :spared_until,
    :session,
    watchers: 0,
    batched: false,
    slack: 0,
    single: 0,
    unlisted: 0,
    reported: false
  ]

  # `:max`: the watched process may run at that priority, and on every scheduler. `fullsweep_after: 0`: a guard keeps almost no
  # data, and an empty old generation would be larger than the guard. `max_heap_size: 0`: a node-wide limit could kill a guard
  # while it lists the binaries of another process.
  @options [priority: :max, fullsweep_after: 0, max_heap_size: 0]
  # Milliseconds between polls of an observed process after its breach was reported.
  @reported_ms 10
  # Milliseconds before a new child is polled: most children of a fork bomb are dead by then.
  @newborn_ms 1
  # Milliseconds between checks for a breach that the tracer recorded, in `mode: :observe` with counted children.
  @observing_ms 200
  # Milliseconds in which the watchers of all children poll again while the sum is over the limit.
  @children_ms 2
  # Collections of a process that is within its limit take at most one part in this many of its time.
  @collecting_share 4
  # Percent of the limit that a process may use while it waits for a collection, or just after one.
  @uncollected_percent 150
  # Child watchers that a guard starts for new children. The batch watcher polls more, and asks for a watcher of each that it finds running.
  @most_watchers 40

  @doc "Starts a guard of `pid` for `caller`, and returns `{guard, monitor}`. It ends at once if `pid` has a guard."
  def start_monitor(pid, caller, account, policy) do
    :erlang.spawn_opt(__MODULE__, :watch, [pid, caller, account, policy], [:monitor | @options])
  end

  @doc "Like `start_monitor/4`, without the monitor. Returns the pid."
  def start(pid, caller, account, policy \\ %Policy{}) do
    :erlang.spawn_opt(__MODULE__, :watch, [pid, caller, account, policy], @options)
  end

  @doc "Stops a guard whose process is no longer limited."
  def stop(guard) do
    ref = Process.monitor(guard)
    send(guard, :stop)

    receive do
      {:DOWN, ^ref, _, _, _} -> :ok
    end
  end

  @doc false
  def watch(pid, caller, account, policy) do
    if Native.account_guarded(account, self()) do
      Process.monitor(caller)
      Process.monitor(pid)
      guard = %__MODULE__{pid: pid, caller: caller, account: account, policy: policy}

      # With counted children the guard itself asks no process: the children would grow unseen while it waits.
      look(if policy.children, do: watch_children(guard), else: guard)

      # A guard that dies without this call was killed, and the orphan monitor then kills its process.
      Native.account_guard_ends(account, :done)
    end
  catch
    # The caller may monitor the guard only when it is dead, and then gets no exit reason.
    kind, reason ->
      Native.account_guard_ends(account, :failed)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp wait(%{pid: pid, caller: caller} = guard, milliseconds) do
    receive do
      {:DOWN, _, _, ^pid, reason} -> ended(guard, reason)
      {:DOWN, _, _, ^caller, _} -> kill(guard)
      {:DOWN, _, _, _, :normal} -> wait(%{guard | watchers: guard.watchers - 1}, milliseconds)
      {:DOWN, _, _, _, reason} -> watcher_died(guard, reason, milliseconds)
      :spawned -> guard |> set_alarm() |> wait(@newborn_ms)
      :overdue -> look(guard)
      {:counted, pid, child} -> guard |> counted(pid, child) |> look()
      {:runs, pid, child} -> guard |> watch_child(pid, child) |> look()
      :too_many -> too_many(guard)
      :untraced -> guard |> retraced() |> wait(milliseconds)
      {:over, how} -> over(guard, how)
      :breached -> breach(guard)
      :soft -> guard |> softly_over() |> wait(milliseconds)
      {:garbage_collect, ref, _} -> collected(guard, ref)
      {:last_look, ref} -> guard |> last_look(ref) |> wait(milliseconds)
      :stop -> :ok
    after
      milliseconds -> look(guard)
    end
  end

  defp look(%{policy: %{enforce: false}, reported: false} = guard),
    do: guard |> report_recorded() |> looked()

  defp look(guard), do: looked(guard)

  # Reports a breach that the tracer recorded: with `:enforce`, the VM would have killed the process.
  defp report_recorded(guard) do
    breach = Native.account_cause(guard.account) != nil
    if breach, do: Breach.report(guard.pid, guard.caller, guard.account, false)
    %{guard | reported: breach}
  end

  defp looked(%{policy: %{children: true}} = guard),
    do: guard |> tables() |> adopt() |> rest()

  defp looked(guard),
    do: guard |> traced() |> tables() |> poll() |> polled(&over(&1, :over))

  # `judge`: what a process over its limit needs next.
  defp polled({:wait, guard, milliseconds}, _judge), do: wait(guard, milliseconds)
  defp polled({:over, guard, :over}, judge), do: judge.(guard)
  defp polled({:over, guard, how}, _judge), do: over(guard, how)
  defp polled({:dead, guard}, _judge), do: wait(guard, :infinity)

  defp tables(%{policy: %{ets: true}, account: account} = guard),
    do: %{guard | tables: Ets.observe(guard.tables, account, guard.pid)}

  defp tables(guard), do: guard

  # The work has ended and asks what its tables take (`Quota.Run.LastLook`).
  defp last_look(guard, ref) do
    tables = Ets.observe_last(guard.tables, guard.account, guard.pid)
    send(ref, {ref, :observed})
    %{guard | tables: tables}
  end

  # The tracer wakes the guard if the VM's timer is late.
  defp set_alarm(guard) do
    Native.account_due(guard.account, @newborn_ms)
    guard
  end

  # Waits for a message: from the tracer when a child is started, from a watcher when the sum is over the limit.
  defp rest(%{policy: %{ets: true}} = guard), do: wait(guard, Ets.milliseconds(guard.tables))

  defp rest(%{policy: %{enforce: false}, reported: false} = guard), do: wait(guard, @observing_ms)
  defp rest(guard), do: wait(guard, :infinity)

  # The batch watcher takes the rest.
  defp adopt(%{batched: true} = guard), do: guard

  defp adopt(%{watchers: watchers} = guard) when watchers >= @most_watchers,
    do: watch_as_batch(guard)

  defp adopt(%{watchers: watchers} = guard) do
    {more, spawned} = Native.account_spawned(guard.account, @most_watchers - watchers)

    guard =
      Enum.reduce(spawned, guard, fn {pid, child}, guard -> watch_child(guard, pid, child) end)

    if more, do: adopt(guard), else: guard
  end

  # The count may include children whose death was not yet reported.
  defp too_many(guard) do
    Children.prune(guard.account)
    if Native.account_too_many(guard.account), do: over(guard, :children), else: look(guard)
  end

  defp counted(%{watchers: watchers} = guard, _pid, _child) when watchers >= @most_watchers,
    do: watch_as_batch(guard)

  defp counted(guard, pid, child), do: watch_child(guard, pid, child)

  defp watch_children(%{pid: pid, account: account} = guard) do
    TurnWatcher.ensure()
    watch_child(guard, pid, account)
  end

  defp watch_child(guard, pid, child) do
    if Native.account_watched(child) do
      ChildWatcher.start_monitor(pid, child, self(), guard.account, guard.policy.enforce)
      %{guard | watchers: guard.watchers + 1}
    else
      guard
    end
  end

  defp watch_as_batch(%{batched: false} = guard) do
    BatchWatcher.start_monitor(guard.account, self(), guard.policy.enforce)
    %{guard | batched: true}
  end

  defp watch_as_batch(guard), do: guard

  # An observed process goes on without its watcher, as it does without its guard.
  defp watcher_died(%{policy: %{enforce: false}} = guard, _reason, milliseconds),
    do: wait(guard, milliseconds)

  # The exit of the guard makes its caller or the orphan monitor kill the process.
  defp watcher_died(guard, reason, _milliseconds) do
    Children.exit_all(guard.account)
    exit({:watcher_died, reason})
  end

  defp over(%{reported: true} = guard, _), do: wait(guard, @reported_ms)

  defp over(guard, how) when how in [:queue, :children] do
    noted(guard)
    Native.account_breach(guard.account, how)
    breach(guard)
  end

  # Messages that wait are in use: no collection would free them.
  defp over(guard, :mailbox), do: guard |> stop_working() |> noted() |> breach_of_sum()

  defp over(guard, :over) do
    cond do
      not still_over?(guard) ->
        look(guard)

      ProcessStats.sure?(guard.account) or others_over?(guard) ->
        guard |> stop_working() |> noted() |> breach_of_sum()

      spared?(guard) ->
        wait(guard, 1)

      true ->
        judge(guard)
    end
  end

  defp still_over?(%{policy: policy, account: account}),
    do: not policy.children or Children.still_over?(account, :all)

  # The own process's answer then changes nothing, and may take a fifth of a second.
  defp others_over?(%{policy: policy, account: account}),
    do: policy.children and Children.over?(account)

  # The same a while after `still_over?/1`.
  defp others_still_over?(guard),
    do: others_over?(guard) and Children.still_over?(guard.account, :children)

  # The answer to a collection that `recount/1` requested.
  defp collected(%{collecting: ref} = guard, ref) do
    guard = counted_once(%{guard | collecting: nil})
    guard |> poll(:collected) |> polled(&(&1 |> noted() |> breach_of_sum()))
  end

  defp collected(guard, _other), do: wait(guard, 1)

  # Whether a collection was requested, or one just showed that live data is within the limit.
  defp spared?(%{collecting: nil, spared_until: until} = guard),
    do: until != nil and now() < until and not excessive?(guard)

  defp spared?(guard), do: not excessive?(guard)

  defp excessive?(%{account: account}) do
    {_heap, _binaries, _native, total, _peak} = Native.account_usage(account)
    total > div(Native.account_limit(account) * @uncollected_percent, 100)
  end

  # Suspends asynchronously: all later questions are then answered after one timeslice of the process, instead of one
  # timeslice each.
  defp stop_working(%{policy: %{children: true}} = guard), do: guard
  defp stop_working(%{policy: %{enforce: false}} = guard), do: guard

  defp stop_working(guard) do
    Vm.suspend(guard.pid)
    guard
  end

  # Before a kill, binaries with several references are counted once and garbage is collected. Each question waits for the end
  # of a timeslice, in which the process can allocate tens of megabytes, so it is suspended meanwhile where that is safe, but not again
  # while a collection is due, which it would put off. The VM resumes it if the guard dies.
  defp judge(guard) do
    if Vm.resumes?() and guard.collecting == nil, do: Vm.suspend(guard.pid)
    guard = noted(guard)

    live = ProcessStats.live_over_half?(guard.pid, Native.account_limit(guard.account))
    if live or others_still_over?(guard), do: breach_of_sum(guard), else: recount(guard)
  end

  defp recount(guard) do
    started = now()
    limit = Native.account_limit(guard.account)

    with %{single: single} = guard when single <= limit <- counted_once(guard),
         {:over, guard, :over} <- poll(guard),
         true <- not others_still_over?(guard),
         true <- ProcessStats.collectable?(guard.pid, limit),
         :ok <- collect(guard),
         {:over, guard, :over} <- poll(counted_once(guard), :collected) do
      breach_of_sum(guard)
    else
      # One binary is over the limit, garbage or not, or the copy of a collection would be too large.
      %__MODULE__{} = guard -> breach_of_sum(guard)
      false -> breach_of_sum(guard)
      nil -> wait(guard, :infinity)
      {:deferred, ref} -> deferred(guard, ref)
      {:wait, guard, milliseconds} -> guard |> acquit(started) |> wait(milliseconds)
      {:over, guard, how} -> over(guard, how)
      {:dead, guard} -> wait(guard, :infinity)
    end
  end

  defp acquit(guard, started) do
    Vm.resume(guard.pid)
    now = now()
    %{guard | spared_until: now + @collecting_share * (now - started)}
  end

  # A suspended process cannot be collected. A binary that is being made may be garbage by the time it can. Before it goes on, the
  # watchers of its children poll what it has sent them since it was first over its limit.
  defp deferred(%{collecting: nil} = guard, ref) do
    if guard.policy.children and Vm.resumes?(), do: Process.sleep(@children_ms)

    if guard.unlisted > Native.account_limit(guard.account) or others_still_over?(guard),
      do: breach_of_sum(guard),
      else: await_collection(%{guard | collecting: ref})
  end

  # A collection was requested before. What looks like growth may be references that messages have brought since: `recount/1` has just
  # counted each binary once. It may also be an old heap of four times what it holds. Where work is suspended for each judgement, that
  # ends it: OTP 25 sometimes never runs a process again that is suspended so while it waits for a collection.
  defp deferred(guard, _ref) do
    if Vm.resumes?(), do: overgrown(guard), else: guard |> poll(:due) |> polled(&overgrown/1)
  end

  defp overgrown(guard),
    do: if(excessive?(guard), do: breach_of_sum(guard), else: await_collection(guard))

  defp await_collection(guard) do
    Vm.resume(guard.pid)
    wait(guard, 1)
  end

  defp breach_of_sum(guard) do
    Native.account_breach(guard.account, :usage)
    breach(guard)
  end

  defp breach(%{policy: %{enforce: false}} = guard) do
    Breach.report(guard.pid, guard.caller, guard.account, false)
    Vm.resume(guard.pid)
    wait(%{guard | reported: true}, @reported_ms)
  end

  defp breach(%{policy: %{report: true}} = guard) do
    # The report comes second, since the process grows meanwhile.
    exit_all(guard)
    Breach.report(guard.pid, guard.caller, guard.account, true)
    wait_dead(%{guard | reported: true})
  end

  defp breach(guard), do: kill(guard)

  defp now, do: System.monotonic_time(:millisecond)

  defp kill(guard) do
    exit_all(guard)
    wait_dead(guard)
  end

  # `:kill`: a process that traps exits survives any other reason.
  defp exit_all(guard) do
    Process.exit(guard.pid, :kill)
    if guard.policy.children, do: Children.exit_all(guard.account)
  end

  defp wait_dead(%{pid: pid} = guard) do
    receive do
      {:DOWN, _, _, ^pid, reason} -> ended(guard, reason)
    end
  end

  defp ended(guard, reason) do
    # The VM or a third party killed it. Only a recorded cause makes that a breach.
    if reason == :killed and guard.policy.report and not guard.reported,
      do: Breach.report(guard.pid, guard.caller, guard.account, true)

    if guard.policy.children, do: Children.kill(guard.account)
  end
end
