defmodule Bounded.Test.FullTable do
  @moduledoc false
  # Quotas on a node whose process table has room for `free` more. For a node started with `+P 1024`.

  alias Bounded.Native
  alias Quota.Watch.{OrphanMonitor, TurnWatcher}

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  def run(free, opts), do: watched(free, opts, fn -> sleep(opts) end)

  @doc "As `run/2`, after somebody has destroyed the trace session, which another process makes again. From OTP 27 on."
  def run_untraced(free, opts) do
    watched(free, opts, fn ->
      :trace.session_destroy(:persistent_term.get(Quota.Watch.Tracer))
      sleep(opts)
    end)
  end

  defp sleep(opts), do: Quota.run(Quota.mib(1), fn -> Process.sleep(50) end, opts)

  @doc "As `run/2`, for the other functions that run work: `function` of `Quota`."
  def call(free, function, args),
    do: watched(free, [], fn -> apply(Quota, function, args) end)

  defp watched(free, opts, fun) do
    warm_up(opts)
    before = MapSet.new(others())
    fill = fill(free)
    result = try_to(fun)

    messages = Process.info(self(), :messages)
    empty(fill)
    left = fn -> others() |> MapSet.new() |> MapSet.difference(before) |> MapSet.to_list() end
    soon(fn -> left.() == [] and Quota.list() == [] end)
    {result, left.(), length(Quota.list()), messages}
  end

  def put(free) do
    warm_up([])
    parent = self()

    {pid, ref} =
      spawn_monitor(fn ->
        receive do: (:go -> :ok)
        result = try_to(fn -> Quota.put_limit(Quota.mib(8)) end)
        {:max_heap_size, flag} = Process.info(self(), :max_heap_size)
        limits = Enum.count(Quota.list(), &(&1.pid == self()))
        send(parent, {self(), :put})
        receive do: (:go -> :ok)

        again =
          {Quota.delete_limit(), try_to(fn -> Quota.put_limit(Quota.mib(8)) end),
           Quota.delete_limit()}

        exit({:done, {result, flag, limits, again}})
      end)

    fill = fill(free)
    send(pid, :go)
    receive do: ({^pid, :put} -> :ok)
    empty(fill)
    send(pid, :go)
    receive do: ({:DOWN, ^ref, _, _, {:done, answer}} -> answer)
  end

  def replace do
    warm_up([])
    Quota.put_limit(Quota.mib(8))
    fill = fill(0)
    result = try_to(fn -> Quota.put_limit(Quota.mib(4)) end)
    [%{limit: limit}] = Enum.filter(Quota.list(), &(&1.pid == self()))
    Quota.delete_limit()
    empty(fill)
    {result, limit}
  end

  @doc """
  How a run ends whose guard, which the orphan monitor has started, is dead before the caller monitors it: it was killed (`:killed`), or
  failed (`:failed`).
  """
  def late_caller(end_of_guard) do
    warm_up([])
    test = self()
    serve = fn :wait, _left -> receive(do: (:go_on -> :ok)) end

    {caller, ref} =
      spawn_monitor(fn ->
        caller = self()
        work = fn -> outlive_guard(caller, test) end
        run = fn -> Quota.Run.run(Quota, Quota.mib(1), work, [], {:serving, serve}) end
        exit({:done, try_to(run)})
      end)

    guard = receive(do: ({:guarded, guard} -> guard))
    end_guard(end_of_guard, guard)
    send(caller, :go_on)
    receive do: ({:DOWN, ^ref, _, _, reason} -> reason)
  end

  # Keeps its caller busy.
  defp outlive_guard(caller, test) do
    send(caller, {:serving, :wait})
    send(test, {:guarded, guard()})
    Process.sleep(:infinity)
  end

  defp guard do
    {account, _} = Native.own_account()
    soon(fn -> Native.account_guard(account) != nil end)
    Native.account_guard(account)
  end

  defp end_guard(:killed, guard) do
    ref = Process.monitor(guard)
    Process.exit(guard, :kill)
    receive do: ({:DOWN, ^ref, _, _, :killed} -> :ok)
  end

  # It takes this for the death of one of its watchers.
  defp end_guard(:failed, guard) do
    ref = Process.monitor(guard)
    send(guard, {:DOWN, make_ref(), :process, self(), :a_fault})
    receive do: ({:DOWN, ^ref, _, _, {:watcher_died, :a_fault}} -> :ok)
  end

  @doc """
  What work returns that holds one binary of 1 MB by 40 references and `bytes` of lists, under 16 MiB, while the table is full. To
  tell references from binaries, its guard lists them, in another process where that could take much.
  """
  def references(bytes) do
    warm_up([])
    test = self()
    run = fn -> Quota.run(Quota.mib(16), fn -> hold(test, bytes) end) end
    {_, ref} = spawn_monitor(fn -> exit({:done, try_to(run)}) end)
    worker = receive(do: ({:guarded, worker} -> worker))
    fill = fill(0)
    send(worker, :hold)
    returned = receive(do: ({:DOWN, ^ref, _, _, reason} -> reason))
    empty(fill)
    returned
  end

  defp hold(test, bytes) do
    table = :ets.new(:page, [])
    :ets.insert(table, {:page, :binary.copy("x", 1_000_000)})
    guard()
    send(test, {:guarded, self()})
    receive do: (:hold -> :ok)
    held = Enum.to_list(1..div(bytes, 16))
    pages = for _ <- 1..40, do: :ets.lookup(table, :page)
    Process.sleep(200)
    {length(pages), length(held) * 16}
  end

  # Everything is loaded, and processes of the VM that come once are there.
  defp warm_up(opts) do
    Logger.configure(level: :none)
    Quota.run(Quota.mib(1), fn -> Process.sleep(5) end, opts)
    soon(fn -> Quota.list() == [] end)
  end

  defp try_to(fun) do
    fun.()
  rescue
    SystemLimitError -> :system_limit
  end

  # All processes but the orphan monitor and the turn watchers, which stay.
  defp others, do: Enum.reject(Process.list(), &stays?/1)

  defp stays?(pid) do
    pid in [Process.whereis(OrphanMonitor), Process.whereis(TurnWatcher)] or
      Process.info(pid, :initial_call) == {:initial_call, {TurnWatcher, :watch, 1}}
  end

  defp fill(free) do
    room = :erlang.system_info(:process_limit) - length(Process.list()) - free
    for _ <- 1..room, do: spawn_monitor(fn -> receive do: (:stop -> :ok) end)
  end

  defp empty(fill) do
    for {pid, _ref} <- fill, do: Process.exit(pid, :kill)
    for {_pid, ref} <- fill, do: receive(do: ({:DOWN, ^ref, _, _, _} -> :ok))
  end

  defp soon(condition, tries \\ 1_000) do
    unless condition.() or tries == 0 do
      Process.sleep(1)
      soon(condition, tries - 1)
    end
  end
end
