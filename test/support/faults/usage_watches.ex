defmodule Bounded.Test.UsageWatches do
  @moduledoc false
  # Threads that read the usage: how many there are after what they belong to has ended. In VMs of their own, which have no other.

  import Bounded.Eventually
  import ExUnit.Assertions

  alias Bounded.{KernelFile, Native}
  alias Bounded.Test.Panics

  # More than any machine has.
  @total 64 * 1024 * 1024 * 1024 * 1024
  @never 0xFFFF_FFFF_FFFF_FFFF

  @doc "Starts a thread that reads the machine's memory."
  def start do
    {:ok, file} = KernelFile.open("/", "proc/meminfo")
    {:ok, watch} = KernelFile.watch(file)
    watch
  end

  @doc "Makes it read every 2 ms, and wake the caller at `line` alone, or after `longest` milliseconds."
  def order(watch, line, longest) do
    now = System.monotonic_time(:millisecond)
    Native.usage_watch_order(watch, now, @total, {@never, @never, line, 0}, {2_000, longest})
  end

  defp threads do
    for task <- Path.wildcard("/proc/self/task/*/comm"),
        {:ok, "bounded-usage\n"} <- [File.read(task)],
        do: task
  end

  def threads_of_a_process do
    test = self()

    {pid, ref} =
      spawn_monitor(fn ->
        watch = start()
        order(watch, @never, 60_000)
        send(test, {:watch, watch})
        Process.sleep(:infinity)
      end)

    watch = receive do: ({:watch, watch} -> watch)
    started = counted(1)
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^ref, _, _, _} -> :ok)
    ended = counted(0)
    false = order(watch, 0, 1_000)
    {started, ended}
  end

  def threads_of_a_handle do
    watch = start()
    order(watch, @never, 60_000)
    started = counted(1)
    # The handle is used here for the last time.
    true = is_reference(watch)
    {started, counted(0, &:erlang.garbage_collect/0)}
  end

  def threads_of_a_watchdog do
    Logger.configure(level: :none)
    before = length(threads())
    watchdog = watchdog()
    started = counted(1)
    Process.exit(watchdog, :kill)
    ended = counted(0)
    watchdog()
    again = counted(1)
    :code.delete(Native)
    :code.purge(Native)
    send(Quota.Watchdog, :read)
    {before, started, ended, again, counted(0)}
  end

  def panic do
    Logger.configure(level: :none)
    watchdog = watchdog()
    started = counted(1)
    Panics.name("usage_watch")
    ended = counted(0)
    Panics.name("")
    %{used: used} = Quota.Watchdog.status()
    {started, ended, used > 0, Process.alive?(watchdog) && :alive}
  end

  # Only the kernel's own files are read by the thread.
  defp watchdog do
    {:ok, watchdog} = Quota.Watchdog.start_link([])
    Process.unlink(watchdog)
    watchdog
  end

  # The number of threads, once it is `wanted`.
  defp counted(wanted, meanwhile \\ fn -> :ok end) do
    eventually(fn ->
      meanwhile.()
      assert length(threads()) == wanted
    end)

    wanted
  end
end
