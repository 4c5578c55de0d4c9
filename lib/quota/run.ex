defmodule Quota.Run do
  @moduledoc false
  # The caller's half of `Quota.run/3`.
  #
  #     caller --spawns, monitors--> worker --spawns--> guard --monitors--> caller, worker
  #
  # Nothing is linked. The worker answers through the alias of the caller's monitor, so an answer that
  # is overtaken by a kill or a timeout goes nowhere. The guard is started by the worker, before
  # anything else: there is no moment in which the caller can die and the work go on.

  alias Bounded.Native
  alias Quota.{Context, ExceededError, Figures, Options, Pool, TimeoutError, Vm, Worker}

  # Work that takes longer gets its guard watched by the caller, too.
  @short 2
  @kept 64 * 1024

  defstruct [:limit, :fun, :opts, :options, :account, :worker, :ref, :deadline]

  def run(limit, fun, opts) do
    options = Options.validate!(limit, fun, opts)
    granted = settle(limit)
    account = Native.account_new(self(), granted)
    label(account, options.label)
    admit(options, account, granted)
    context = Context.capture(options.inherit)

    {worker, ref} =
      :erlang.spawn_opt(
        fn -> Worker.start(account, granted, fun, context) end,
        monitor: [alias: :reply_demonitor],
        max_heap_size: Vm.max_heap_size(granted)
      )

    Native.account_attach(account, worker)
    send(worker, {Worker, ref})

    await(%__MODULE__{
      limit: limit,
      fun: fun,
      opts: opts,
      options: options,
      account: account,
      worker: worker,
      ref: ref,
      deadline: deadline(options.timeout)
    })
  end

  # What this run may use: what was asked for, or what the quota that it runs in has left. The outer
  # work keeps a little for itself: were it to go over when the inner does, both would fail.
  defp settle(limit) do
    case Figures.observe_own() do
      :unlimited -> limit
      left when left - @kept >= limit -> limit
      left -> inner(left - @kept, limit)
    end
  end

  defp inner(left, limit) do
    if left >= Options.smallest(), do: left, else: raise(ExceededError.own(limit))
  end

  defp label(_account, nil), do: :ok
  defp label(account, label), do: Native.account_label(account, :erlang.term_to_binary(label))

  defp admit(%{pool: nil}, _account, _granted), do: :ok

  defp admit(options, account, granted),
    do: Pool.admit(options.pool, account, granted, options.label, options.pool_timeout)

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: now() + timeout

  defp await(%{ref: ref} = run) do
    receive do
      {^ref, reply} -> finish(run, reply)
      {:DOWN, ^ref, _, _, reason} -> died(run, reason)
    after
      min(@short, left(run)) ->
        case {left(run), Native.account_guard(run.account)} do
          {0, _} -> timed_out(run)
          {_, nil} -> await(run)
          {_, guard} -> await(run, Process.monitor(guard))
        end
    end
  end

  defp await(%{ref: ref} = run, guard) do
    receive do
      {^ref, reply} ->
        Process.demonitor(guard, [:flush])
        finish(run, reply)

      {:DOWN, ^ref, _, _, reason} ->
        Process.demonitor(guard, [:flush])
        died(run, reason)

      {:DOWN, ^guard, _, _, reason} ->
        # It ends by itself when the worker has, which may be known here first.
        if Process.alive?(run.worker),
          do: stop(run, fn -> gone(run, {:guard_died, reason}) end),
          else: await(run)
    after
      left(run) ->
        Process.demonitor(guard, [:flush])
        timed_out(run)
    end
  end

  # `:infinity` is larger than any number.
  defp left(%{deadline: :infinity}), do: :infinity
  defp left(%{deadline: deadline}), do: max(deadline - now(), 0)

  defp timed_out(run) do
    stop(run, fn ->
      raise TimeoutError,
        timeout: run.options.timeout,
        limit: run.limit,
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
      0 -> otherwise.()
    end
  end

  # The account closes when the worker is dead. To an outer quota its memory counts no more from here on.
  defp finish(run, reply) do
    Native.account_observe(run.account, 0, 0)

    case reply do
      {:ok, value} -> value
      {:raise, kind, reason, stack} -> :erlang.raise(kind, reason, stack)
      :breach -> exceeded(run, Native.account_cause(run.account))
    end
  end

  defp died(run, reason) do
    cause = Native.account_cause(run.account)
    # It may have died before it was attached to its account.
    Native.account_close(run.account)
    if reason == :killed and cause != nil, do: exceeded(run, cause), else: gone(run, reason)
  end

  defp exceeded(run, {category, usage, stack}) do
    raise ExceededError.new(category, usage, stack, run.limit, run.options.label)
  end

  defp gone(run, reason), do: exit({reason, {Quota, :run, [run.limit, run.fun, run.opts]}})

  defp now, do: System.monotonic_time(:millisecond)
end
