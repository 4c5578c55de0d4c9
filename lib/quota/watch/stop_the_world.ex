defmodule Quota.Watch.StopTheWorld do
  @moduledoc false
  # Runs a function while no process below `:max` priority runs.
  #
  # A fork bomb starts hundreds of thousands of processes a second, on every scheduler: more than one process can kill. While nothing else
  # runs, no process is started, and one pass reaches all of them. Each then dies in its next timeslice, before it does anything.
  #
  # A process at `:max` priority is bound to each scheduler, where it keeps all others from running. The VM's own way,
  # `system_flag(:multi_scheduling, :block_normal)`, moves every runnable process to one scheduler first.

  alias Bounded.Vm

  # Milliseconds to wait for the other schedulers: a call that does not yield may hold one for longer.
  @stopping_ms 50
  # Milliseconds after which schedulers run again in any case, though the function did not return.
  @stopped_ms 1_000

  @doc "Returns when `work` has returned or failed. Where the process table is full, it runs while others do too."
  def run(work) do
    {_, monitor} = Vm.spawn_on(1, __MODULE__, :stopped, [work], [:monitor, priority: :max])
    receive(do: ({:DOWN, ^monitor, _, _, _} -> :ok))
  rescue
    SystemLimitError -> work.()
  end

  @doc false
  def stopped(work) do
    others = 2..System.schedulers_online()//1
    holders = for scheduler <- others, do: hold(scheduler)
    wait(Enum.count(holders, & &1), now() + @stopping_ms)
    work.()
  end

  defp hold(scheduler) do
    Vm.spawn_on(scheduler, __MODULE__, :hold_scheduler, [self()], priority: :max)
  rescue
    # The others are held nevertheless.
    SystemLimitError -> nil
  end

  defp wait(0, _until), do: :ok

  defp wait(holders, until) do
    receive do
      :held -> wait(holders - 1, until)
    after
      max(until - now(), 0) -> :ok
    end
  end

  @doc false
  def hold_scheduler(owner) do
    Process.monitor(owner)
    send(owner, :held)
    spin(now() + @stopped_ms)
  end

  defp spin(until) do
    receive do
      {:DOWN, _, _, _, _} -> :ok
    after
      0 -> if now() < until, do: spin(until), else: :ok
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
