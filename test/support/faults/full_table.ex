defmodule Bounded.Test.FullTable do
  @moduledoc false
  # Quotas on a node whose process table has room for `free` more. For a node started with `+P 1024`.

  def run(free, opts) do
    work = fn -> Process.sleep(50) end
    watched(free, opts, fn -> Quota.run(Quota.mib(1), work, opts) end)
  end

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

  # But for the sweeper, which stays.
  defp others, do: Process.list() -- [Process.whereis(Quota.Watch.OrphanMonitor)]

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
