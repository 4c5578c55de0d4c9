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
  alias Quota.{Context, ExceededError, Figures, Options, TimeoutError, Vm, Worker}

  # Work that takes longer gets its guard watched by the caller, too.
  @short 2
  @kept 64 * 1024

  defstruct [:limit, :fun, :opts, :options, :account, :worker, :ref, :deadline]

  def run(limit, fun, opts) do
    options = Options.validate!(limit, fun, opts)
    granted = settle(limit)
    account = Native.account_new(self(), granted)
    label(account, options.label)
    context = Context.capture(options.inherit)

    {worker, ref} =
      :erlang.spawn_opt(
        fn -> Worker.start(account, granted, fun, context) end,
        monitor: [alias: :reply_demonitor],
        max_heap_size: Vm.max_heap_size(granted)
      )

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
      0 -> close(run, otherwise)
    end
  end

  defp finish(run, {:ok, value}) do
    Native.account_close(run.account)
    value
  end

  defp finish(run, {:raise, kind, reason, stack}) do
    Native.account_close(run.account)
    :erlang.raise(kind, reason, stack)
  end

  # The worker found its own result too large.
  defp finish(run, :breach), do: died(run, :killed)

  defp died(run, reason) do
    case Native.account_cause(run.account) do
      {category, usage, stack} when reason == :killed ->
        close(run, fn ->
          raise ExceededError.new(category, usage, stack, run.limit, run.options.label)
        end)

      _ ->
        close(run, fn -> gone(run, reason) end)
    end
  end

  defp gone(run, reason), do: exit({reason, {Quota, :run, [run.limit, run.fun, run.opts]}})

  defp close(run, then) do
    Native.account_close(run.account)
    then.()
  end

  defp now, do: System.monotonic_time(:millisecond)
end
