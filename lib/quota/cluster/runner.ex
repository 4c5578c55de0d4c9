defmodule Quota.Cluster.Runner do
  @moduledoc false
  # The half of a run that is on the node where the work runs: see `Quota.Cluster.Protocol`.
  #
  #     caller <--monitors-- sentinel --monitors--> runner --runs--> worker
  #        +----------------------------------monitors--^
  #
  # The runner calls `Quota.Run` as any caller does. It waits for the worker, so the sentinel watches the caller: when that is dead or
  # its node is lost, the runner is killed, and its worker and reservation end as they do after any caller.

  alias Quota.Cluster.{Protocol, Server, WireSize}
  alias Quota.{ExceededError, Options, Pool, Run, Telemetry}
  alias Quota.Run.Context

  @doc "Runs on the other node. `request` has `ref`, `caller`, `limit`, `opts` and `wait`."
  def start(version, %{ref: ref} = request) do
    if version == Protocol.version(),
      do: run(request),
      else: reply(ref, {:version, Protocol.version()})
  end

  defp run(%{ref: ref, limit: limit, opts: opts} = request) do
    work = fn -> work(request) end
    options = Options.validate!(limit, work, opts)
    run = Run.prepare(__MODULE__, limit, work, opts, options)

    case admit(request, run) do
      :ok ->
        reply(ref, {:done, outcome(run)})

      {:refused, reason} ->
        Bounded.Native.account_close(run.account)
        reply(ref, {:refused, reason, Server.own_view(options.pool)})
    end
  catch
    kind, reason -> reply(ref, {:failed, kind, reason, __STACKTRACE__})
  end

  defp admit(request, %{options: options} = run) do
    if request.wait or options.pool == nil do
      watch(request.caller)
      Run.admit(options, run.account, run.granted)
    else
      with :ok <- Pool.try_admit(options.pool, run.account, run.granted, options.label) do
        watch(request.caller)
        :ok
      end
    end
  end

  # Exits of this run name this module. Those of the work may name any other.
  defp outcome(run) do
    {:ok, Run.launch(run)}
  catch
    :exit, {reason, {__MODULE__, :run, [_limit, _work, _opts]}} -> {:died, reason}
    kind, reason -> {:raise, kind, reason, __STACKTRACE__}
  end

  ## In the worker

  defp work(%{ref: ref, limit: limit, opts: opts}) do
    send(ref, {ref, {:admitted, self()}})

    receive do
      {^ref, :go, {module, function, arguments}, context} ->
        Context.restore(context)
        checked(module, function, arguments, limit, opts[:mode])

      {^ref, :cancel} ->
        :cancelled
    end
  end

  # A reply to another node has its binaries in it.
  defp checked(module, function, arguments, limit, mode) do
    apply(module, function, arguments)
  catch
    kind, reason ->
      within!({kind, reason, __STACKTRACE__}, limit, mode)
      :erlang.raise(kind, reason, __STACKTRACE__)
  else
    result ->
      within!(result, limit, mode)
      result
  end

  defp within!(reply, limit, mode) do
    unless WireSize.at_most?(reply, WireSize.most(limit, mode)) do
      error = ExceededError.result(limit)
      Telemetry.breach(error, self(), hd(Process.get(:"$callers")), true)
      raise error
    end
  end

  ## The sentinel

  defp watch(caller) do
    runner = self()

    spawn(fn ->
      of_runner = Process.monitor(runner)
      of_caller = monitor_caller(caller, runner)

      receive do
        {:DOWN, ^of_runner, _, _, _} -> :ok
        {:DOWN, ^of_caller, _, _, _} -> Process.exit(runner, :kill)
      end
    end)
  end

  # The connection over which the caller has asked may be lost by now. A monitor would connect again, and find the caller alive, though
  # it has given up: so no connection is made, and the caller must still monitor the runner, which ends with that connection.
  defp monitor_caller(caller, runner) do
    of_caller = if connected?(node(caller)), do: Process.monitor(caller)
    unless of_caller && caller in monitoring(runner), do: Process.exit(runner, :kill)
    of_caller
  end

  defp connected?(node), do: node in Node.list([:this, :connected])

  defp monitoring(runner) do
    with {:monitored_by, pids} <- Process.info(runner, :monitored_by), do: pids, else: (nil -> [])
  end

  defp reply(ref, message), do: send(ref, {ref, message})
end
