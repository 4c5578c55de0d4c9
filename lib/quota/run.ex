defmodule Quota.Run do
  @moduledoc false
  # The caller's half of `Quota.run/3`.
  #
  #     caller --spawns, monitors--> worker <--monitors-- guard --monitors--> caller
  #
  # Nothing is linked. The worker answers through the alias of the caller's monitor, so an answer that
  # is overtaken by a kill or a timeout goes nowhere. Most work is over within a millisecond, which no
  # guard could improve on: the caller starts one when it has waited for longer, or the sweeper does
  # should the caller die before that.

  alias Bounded.Native

  alias Quota.{
    Breach,
    Captures,
    Context,
    ExceededError,
    Figures,
    Guard,
    Members,
    Options,
    Plan,
    Pool,
    Sweeper,
    Telemetry,
    TimeoutError,
    Vm,
    Worker
  }

  # Work that takes more milliseconds gets a guard.
  @short 1
  # Bytes that an outer quota keeps for itself.
  @kept 64 * 1024

  # The account of work that is only observed refuses nothing.
  @unlimited 0xFFFF_FFFF_FFFF_FFFF

  defstruct [
    :limit,
    :granted,
    :fun,
    :opts,
    :options,
    :plan,
    :context,
    :account,
    :worker,
    :ref,
    :deadline
  ]

  def run(limit, fun, opts) do
    options = Options.validate!(limit, fun, opts)
    Vm.prepare()
    granted = settle(limit, options.mode)
    context = Context.capture(options.inherit)
    Captures.check!(fun, context, granted, options)

    run = %__MODULE__{
      limit: limit,
      granted: granted,
      fun: fun,
      opts: opts,
      options: options,
      plan: Plan.new(options, false),
      context: context,
      account: account(granted, options)
    }

    if Telemetry.enabled?(), do: Telemetry.run(run, &start/1), else: start(run)
  end

  defp start(%{account: account, options: options} = run) do
    admit(options, account, run.granted)
    {worker, ref} = spawn_worker(run)
    begin(%{run | worker: worker, ref: ref, deadline: deadline(options.timeout)})
  end

  defp begin(run) do
    watched = watched(run)
    go(run)
    if watched, do: await(run, watched), else: await(run)
  end

  # The guard with its monitor, where one is there from the beginning.
  defp watched(run) do
    if Plan.eager?(run.plan) do
      Native.account_attach(run.account, run.worker)
      Sweeper.ensure()
      {guard, _} = watched = start_guard(run)
      # At once, so that the work finds whom to tell of those it attaches.
      Native.account_guarded(run.account, guard)
      watched
    else
      if Native.account_begin(run.account, run.worker), do: Sweeper.wake()
      nil
    end
  rescue
    error in SystemLimitError -> abandon(run, error, __STACKTRACE__)
  end

  defp go(run), do: send(run.worker, {Worker, run.ref})

  defp start_guard(run), do: Guard.start_monitor(run.worker, self(), run.account, run.plan)

  # There are as many processes as there can be: work that nobody could watch does not go on.
  defp abandon(run, error, stack) do
    stop(run, fn ->
      Native.account_close(run.account)
      reraise error, stack
    end)
  end

  defp spawn_worker(run) do
    %{account: account, granted: granted, fun: fun, context: context, plan: plan} = run

    :erlang.spawn_opt(
      fn -> Worker.start(account, granted, fun, context, plan) end,
      # What the node may hold every process to would kill the work before it has a limit of its own.
      monitor: [alias: :reply_demonitor],
      max_heap_size: 0
    )
  rescue
    # There are as many processes as there can be. What a pool promised goes back now, not with the caller's garbage.
    error ->
      Native.account_close(run.account)
      reraise error, __STACKTRACE__
  end

  # Bytes that this run is held to: what was asked for, or what the quota that it runs in has left. The
  # outer work keeps a little for itself: were it to go over when the inner does, both would fail.
  defp settle(limit, :observe), do: limit

  defp settle(limit, :enforce) do
    case Figures.observe_own() do
      :unlimited -> limit
      left when left - @kept >= limit -> limit
      left -> inner(left - @kept, limit)
    end
  end

  defp inner(left, limit) do
    if left >= Options.smallest(), do: left, else: raise(ExceededError.own(limit))
  end

  @doc "A new account on the terms of `options`, for work of the calling process."
  def account(granted, options) do
    enforced = if options.mode == :enforce, do: granted, else: @unlimited
    account = Native.account_new(self(), enforced)
    label(account, options.label)
    terms(account, granted, options)
    max_children(account, options.max_children)
    account
  end

  defp label(_account, nil), do: :ok
  defp label(account, label), do: Native.account_label(account, :erlang.term_to_binary(label))

  defp terms(_, _, %{mode: :enforce, soft_limit: nil, max_queue: nil}), do: :ok

  defp terms(account, granted, options),
    do: Native.account_terms(account, granted, options.soft_limit, options.max_queue)

  defp max_children(_account, nil), do: :ok
  defp max_children(account, most), do: Native.account_max_children(account, most)

  @doc "Asks the pool, if there is one, for what was granted."
  def admit(%{pool: nil}, _account, _granted), do: :ok

  def admit(options, account, granted),
    do: Pool.admit(options.pool, account, granted, options.label, options.pool_timeout)

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: now() + timeout

  defp await(%{ref: ref} = run) do
    receive do
      {^ref, reply} -> finish(run, reply)
      {:DOWN, ^ref, _, _, reason} -> died(run, reason)
    after
      min(@short, left(run)) -> await_guarded(run)
    end
  end

  defp await_guarded(run) do
    if left(run) == 0, do: timed_out(run), else: await(run, start_late_guard(run))
  end

  # In tail position an answer that has come meanwhile is returned, hence the exception as a value.
  defp start_late_guard(run) do
    start_guard(run)
  rescue
    error in SystemLimitError -> {:system_limit, error, __STACKTRACE__}
  end

  defp await(run, {:system_limit, error, stack}), do: abandon(run, error, stack)

  defp await(%{ref: ref} = run, {guard, guard_ref}) do
    receive do
      {^ref, reply} ->
        Process.demonitor(guard_ref, [:flush])
        finish(run, reply)

      {:DOWN, ^ref, _, _, reason} ->
        guard_died = not Process.alive?(guard) and guard_died(run, guard_ref)
        Process.demonitor(guard_ref, [:flush])
        died(run, guard_died || reason)

      {:DOWN, ^guard_ref, _, _, reason} ->
        guard_ended(run, guard, reason)
    after
      left(run) ->
        Process.demonitor(guard_ref, [:flush])
        timed_out(run)
    end
  end

  # Where children count, the work is killed with its guard by who watches it besides, and may be known to
  # be dead before the guard is.
  defp guard_died(run, guard_ref) do
    receive do
      {:DOWN, ^guard_ref, _, _, :normal} ->
        false

      # It had ended before it was monitored, and may have been killed just as well.
      {:DOWN, ^guard_ref, _, _, :noproc} ->
        not Native.account_guard_ended(run.account) and {:guard_died, :noproc}

      {:DOWN, ^guard_ref, _, _, reason} ->
        {:guard_died, reason}
    end
  end

  # It ends by itself when the worker has, which may be known here first, and when there is another.
  defp guard_ended(run, guard, reason) do
    other = Native.account_guard(run.account)

    cond do
      reason in [:normal, :noproc] and not Process.alive?(run.worker) -> await(run)
      other in [nil, guard] -> stop(run, fn -> died(run, {:guard_died, reason}) end)
      true -> await(run, {other, Process.monitor(other)})
    end
  end

  # `:infinity` is larger than any number.
  defp left(%{deadline: :infinity}), do: :infinity
  defp left(%{deadline: deadline}), do: max(deadline - now(), 0)

  defp timed_out(run) do
    stop(run, fn ->
      raise TimeoutError,
        timeout: run.options.timeout,
        limit: run.granted,
        label: run.options.label
    end)
  end

  # The work has to stop, unless it has answered just now.
  defp stop(%{ref: ref} = run, otherwise) do
    Process.exit(run.worker, :kill)
    Process.demonitor(ref, [:flush])

    receive do
      {^ref, reply} -> finish(run, reply)
    after
      0 ->
        if run.plan.children, do: Members.kill(run.account)
        otherwise.()
    end
  end

  # The account closes when the worker is dead. To an outer quota its memory counts no more from here on.
  defp finish(run, reply) do
    Native.account_answered(run.account)
    unless run.plan.enforce, do: Breach.report(run.worker, self(), run.account, false)

    case reply do
      {:ok, value} -> value
      {:raise, kind, reason, stack} -> :erlang.raise(kind, reason, stack)
      :breach -> exceeded(run, Native.account_cause(run.account))
      {:observed_breach, reply} -> finish(run, reply)
    end
  end

  defp died(run, reason) do
    cause = Native.account_cause(run.account)
    # It may have died before it was attached to its account.
    Native.account_close(run.account)

    if run.plan.enforce and killed?(reason) and cause != nil,
      do: exceeded(run, cause),
      else: gone(run, reason)
  end

  defp killed?(:killed), do: true
  defp killed?({:guard_died, _}), do: true
  defp killed?(_), do: false

  defp exceeded(run, {category, usage, stack}) do
    error = ExceededError.new(category, usage, stack, run.granted, run.options.label)
    Telemetry.breach(error, run.worker, self(), true)
    raise error
  end

  # `Quota`, which calls this module: as an alias it would make the two depend on each other.
  @caller :"Elixir.Quota"

  # It could not start those who watch besides it.
  defp gone(_run, {:guard_died, {:system_limit, _stack}}), do: raise(SystemLimitError)

  defp gone(run, reason), do: exit({reason, {@caller, :run, [run.limit, run.fun, run.opts]}})

  defp now, do: System.monotonic_time(:millisecond)
end
