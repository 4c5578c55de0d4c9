defmodule Quota.Run do
  @moduledoc false
  # The caller's half of `Quota.run/3`.
  #
  #     caller --spawns, monitors--> worker <--monitors-- guard --monitors--> caller
  #
  # Nothing is linked. The worker replies through the alias of the caller's monitor, so a reply after a kill or a timeout is
  # dropped. Most work ends within a millisecond, before a guard could measure it. So the caller starts the guard only when it
  # has waited longer than that. If the caller dies before, the orphan monitor starts it.

  alias Bounded.{Native, Vm}
  alias Quota.{ExceededError, Options, Pool, Preload, Telemetry, TimeoutError}
  alias Quota.Account.{Breach, Opening}
  alias Quota.Run.{Captures, Context, Worker}
  alias Quota.Watch.{Children, Guard, OrphanMonitor, Policy, ProcessStats}

  # Milliseconds after which work that still runs gets a guard.
  @short 1
  # Words of the first heap of work whose requests the caller serves: 64 KB, but at most one word for each `@served_part` bytes of the
  # limit, which is a sixteenth of it.
  @served_words 8_000
  @served_part 128

  # Bytes that an outer quota keeps for its own work.
  @kept 64 * 1024

  # Everything that is known before the work starts. The small map `running` refers to this and adds the rest: updating a struct of this
  # size would copy all of it once a run.
  defstruct [
    :module,
    :limit,
    :granted,
    :fun,
    :opts,
    :options,
    :policy,
    # Whether the guard starts with the work, and whether the work starts without captures.
    :eager,
    :bare,
    :context,
    :account,
    # The caller can serve requests of the work while it waits: the tag of the requests, and the function that serves one.
    :serving,
    :serve
  ]

  @doc """
  `Quota.run/3`. `module` is that of the public function, which an exit names. With `{serving, serve}`, the caller calls `serve` with
  the request of each message `{serving, request}` and the milliseconds that are left, while it waits. `serve` returns `:ok`, or
  `:too_large` where what the work sends does not fit in its limit.
  """
  def run(module, limit, fun, opts, serving \\ {nil, nil}) do
    options = Options.validate!(limit, fun, opts)

    %{account: account, granted: granted} =
      run = prepare(module, limit, fun, opts, options, serving)

    admit(options, account, granted)
    launch(run)
  end

  @doc "The part of `run/5` before the pool is asked: measures what is copied in, and opens the account."
  def prepare(module, limit, fun, opts, options, {serving, serve} \\ {nil, nil}) do
    Preload.ensure()
    %{mode: mode, inherit: inherit} = options
    granted = settle(limit, mode)
    context = Context.capture(inherit)
    bare = Captures.check!(fun, context, granted, options)
    policy = Policy.new(options, false)

    %__MODULE__{
      module: module,
      limit: limit,
      granted: granted,
      fun: fun,
      opts: opts,
      options: options,
      policy: policy,
      eager: Policy.eager?(policy),
      bare: bare,
      context: context,
      account: Opening.open(granted, options),
      serving: serving,
      serve: serve
    }
  end

  @doc "The part of `run/5` after its pool has admitted it."
  def launch(run),
    do: if(Telemetry.enabled?(), do: Telemetry.run(run, &start/1), else: start(run))

  defp start(%{options: options, serving: serving} = run) do
    {flag, bytes} = vm_limit(run)
    {worker, ref} = spawn_worker(run, flag)
    deadline = deadline(options.timeout)

    # `guard_at`: when the guard starts, in monotonic milliseconds, even if requests of the work keep interrupting the wait.
    running = %{
      run: run,
      worker: worker,
      ref: ref,
      deadline: deadline,
      guard_at: guard_at(serving)
    }

    begin(run, running, bytes)
  end

  # The `max_heap_size` with which the worker starts, and its bytes. With captures, which may exceed it, or a guard from the start, the
  # worker sets it itself (`Tracer.trace_self/4`), and starts with 0, no limit: the system default could kill it before that.
  defp vm_limit(%{bare: true, eager: false, granted: granted}),
    do: Vm.max_heap_size(granted, true, true)

  defp vm_limit(_run), do: {0, 0}

  # Starts the guard now, if the policy needs one from the beginning.
  defp begin(%{eager: true} = run, running, _bytes) do
    watched = watched(run, running)
    go(running)
    await(running, watched)
  end

  defp begin(run, running, bytes) do
    unwatched(run, running, bytes)
    go(running)
    await(running)
  end

  defp unwatched(run, running, bytes) do
    if Native.account_begin(run.account, running.worker, bytes, Vm.counts_binaries?()),
      do: OrphanMonitor.ensure()
  rescue
    error in SystemLimitError -> abandon(running, error, __STACKTRACE__)
  end

  defp watched(run, running) do
    Native.account_attach(run.account, running.worker)
    OrphanMonitor.ensure()
    {guard, _} = watched = start_guard(running)
    # Before the work starts, so that `Quota.attach/1` finds the guard.
    Native.account_guarded(run.account, guard)
    watched
  rescue
    error in SystemLimitError -> abandon(running, error, __STACKTRACE__)
  end

  defp go(%{worker: worker, ref: ref}), do: send(worker, {Worker, ref})

  defp start_guard(%{run: run, worker: worker}),
    do: Guard.start_monitor(worker, self(), run.account, run.policy)

  # The process table is full. Work without a guard is not started.
  defp abandon(running, error, stack), do: stop(running, {:abandoned, error, stack})

  defp spawn_worker(run, flag) do
    %{account: account, granted: granted, fun: fun, context: context, policy: policy} = run
    arguments = [account, granted, fun, context, policy, flag != 0]
    options = [{:monitor, [alias: :reply_demonitor]}, {:max_heap_size, flag} | heap(run)]
    :erlang.spawn_opt(Worker, :start, arguments, options)
  rescue
    # The process table is full. Closing the account releases the pool's reservation now, not when the caller is collected.
    error ->
      Native.account_close(run.account)
      reraise error, __STACKTRACE__
  end

  # A request is copied into the work. With the smallest first heap it would collect garbage several times before it responds.
  defp heap(%{serving: nil}), do: []

  defp heap(%{granted: granted}),
    do: [min_heap_size: min(@served_words, div(granted, @served_part))]

  # The limit of this run: the given one, or the bytes that are left of the outer quota. The outer quota keeps some bytes, so
  # that a breach of the inner one does not breach the outer one as well.
  defp settle(limit, :observe), do: limit

  defp settle(limit, :enforce) do
    case ProcessStats.observe_own() do
      :unlimited -> limit
      left when left - @kept >= limit -> limit
      left -> inner(left - @kept, limit)
    end
  end

  defp inner(left, limit) do
    if left >= Options.smallest(), do: left, else: raise(ExceededError.nested(limit))
  end

  @doc "Reserves the granted limit in the pool, if there is one."
  def admit(%{pool: nil}, _account, _granted), do: :ok

  def admit(options, account, granted),
    do: Pool.admit(options.pool, account, granted, options.label, options.pool_timeout)

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: now() + timeout

  defp guard_at(nil), do: nil
  defp guard_at(_serving), do: now() + @short

  defp await(%{run: %{serving: serving}, ref: ref} = running) do
    receive do
      {^ref, reply} -> finish(running, reply)
      {:DOWN, ^ref, _, _, reason} -> died(running, reason)
      {^serving, request} when serving != nil -> serve(running, request, nil)
    after
      unguarded(running) -> await_guarded(running)
    end
  end

  # Milliseconds until the guard starts or the time is up.
  defp unguarded(%{guard_at: nil, deadline: :infinity}), do: @short
  defp unguarded(%{guard_at: nil} = running), do: min(@short, left(running))
  defp unguarded(%{guard_at: time} = running), do: min(max(time - now(), 0), left(running))

  defp serve(running, request, watched) do
    case running.run.serve.(request, left(running)) do
      :ok -> if watched, do: await(running, watched), else: await(running)
      :too_large -> too_large(running, watched)
    end
  end

  # A request of the work does not fit in its limit: a breach of category `:result`.
  defp too_large(%{run: run} = running, watched) do
    with {_guard, guard_ref} <- watched, do: Process.demonitor(guard_ref, [:flush])
    Native.account_breach(run.account, :result)
    cause = Native.account_cause(run.account)
    stop(running, {:exceeded, cause})
  end

  defp await_guarded(running) do
    if left(running) == 0,
      do: timed_out(running),
      else: await(running, start_late_guard(running))
  end

  # The exception is a value, so that a reply that arrives meanwhile can still be returned in tail position.
  defp start_late_guard(running) do
    start_guard(running)
  rescue
    error in SystemLimitError -> {:system_limit, error, __STACKTRACE__}
  end

  defp await(running, {:system_limit, error, stack}), do: abandon(running, error, stack)

  defp await(
         %{run: %{serving: serving} = run, ref: ref} = running,
         {guard, guard_ref} = watched
       ) do
    receive do
      {^ref, reply} ->
        Process.demonitor(guard_ref, [:flush])
        finish(running, reply)

      {:DOWN, ^ref, _, _, reason} ->
        guard_died = not Process.alive?(guard) and guard_died(run, guard_ref)
        Process.demonitor(guard_ref, [:flush])
        died(running, guard_died || reason)

      {:DOWN, ^guard_ref, _, _, reason} ->
        guard_ended(running, guard, reason)

      {^serving, request} when serving != nil ->
        serve(running, request, watched)
    after
      left(running) ->
        Process.demonitor(guard_ref, [:flush])
        timed_out(running)
    end
  end

  # With counted children, another watcher kills the work when the guard dies, so the work may be reported dead before its guard.
  defp guard_died(run, guard_ref) do
    receive do
      {:DOWN, ^guard_ref, _, _, reason} ->
        reason = known(run, reason)
        reason != :normal and {:guard_died, reason}
    end
  end

  # The guard ends by itself when the worker has ended, which may be reported here first, and when there is another guard.
  defp guard_ended(running, guard, reason) do
    other = Native.account_guard(running.run.account)

    cond do
      reason in [:normal, :noproc] and not Process.alive?(running.worker) ->
        await(running)

      other in [nil, guard] ->
        stop(running, {:died, {:guard_died, known(running.run, reason)}})

      true ->
        await(running, {other, Process.monitor(other)})
    end
  end

  # The monitor of a guard that was dead before has no exit reason. The guard has recorded why it ended, unless it was killed.
  defp known(run, :noproc) do
    case Native.account_guard_ended(run.account) do
      :done -> :normal
      :failed -> :failed
      nil -> :killed
    end
  end

  defp known(_run, reason), do: reason

  # `:infinity` is larger than any number.
  defp left(%{deadline: :infinity}), do: :infinity
  defp left(%{deadline: deadline}), do: max(deadline - now(), 0)

  defp timed_out(running), do: stop(running, :timed_out)

  # Stops the work, unless its reply has arrived. `outcome` says why.
  defp stop(%{run: run, worker: worker, ref: ref} = running, outcome) do
    Process.exit(worker, :kill)
    Process.demonitor(ref, [:flush])

    receive do
      {^ref, reply} -> finish(running, reply)
    after
      0 ->
        if run.policy.children, do: Children.kill(run.account)
        stopped(running, outcome)
    end
  end

  @spec stopped(map, term) :: no_return
  defp stopped(running, {:exceeded, cause}), do: exceeded(running, cause)
  defp stopped(running, {:died, reason}), do: died(running, reason)

  defp stopped(%{run: run}, {:abandoned, error, stack}) do
    Native.account_close(run.account)
    reraise error, stack
  end

  defp stopped(%{run: run}, :timed_out) do
    # Closes the account when the worker is dead.
    Native.account_answered(run.account)

    raise TimeoutError,
      timeout: run.options.timeout,
      limit: run.granted,
      label: run.options.label
  end

  defp finish(_running, {:left, value}), do: value

  # The account closes when the worker is dead. Its memory no longer counts towards an outer quota from here on.
  defp finish(%{run: run} = running, reply) do
    Native.account_answered(run.account)
    unless run.policy.enforce, do: Breach.report(running.worker, self(), run.account, false)

    case reply do
      {:ok, value} -> value
      {:raise, kind, reason, stack} -> :erlang.raise(kind, reason, stack)
      :breach -> exceeded(running, Native.account_cause(run.account))
      {:observed_breach, reply} -> finish(running, reply)
    end
  end

  @spec died(map, term) :: no_return
  defp died(%{run: run} = running, reason) do
    cause = Native.account_cause(run.account)
    # The worker may have died before it was attached to its account.
    Native.account_close(run.account)

    if run.policy.enforce and killed?(reason) and cause != nil,
      do: exceeded(running, cause),
      else: gone(run, reason)
  end

  defp killed?(:killed), do: true
  defp killed?({:guard_died, _}), do: true
  defp killed?(_), do: false

  defp exceeded(%{run: run, worker: worker}, {category, usage, stack}) do
    error = ExceededError.new(category, usage, stack, run.granted, run.options.label)
    Telemetry.breach(error, worker, self(), true)
    raise error
  end

  # The process table is full: the guard could not start its watchers, or no trace session could be made for the work.
  defp gone(_run, {:guard_died, {:system_limit, _stack}}), do: raise(SystemLimitError)
  defp gone(_run, {:system_limit, _stack}), do: raise(SystemLimitError)

  defp gone(run, reason), do: exit({reason, {run.module, :run, [run.limit, run.fun, run.opts]}})

  defp now, do: System.monotonic_time(:millisecond)
end
