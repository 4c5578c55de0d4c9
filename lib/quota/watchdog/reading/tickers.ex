defmodule Quota.Watchdog.Reading.Tickers do
  @moduledoc false
  # Processes, one on each of up to four schedulers, that wake the watchdog's process when its reading is late while the node stirs.
  #
  # A process waits in the queue of the scheduler on which it ran last, and its timer is that scheduler's. A collection of a large heap
  # holds a scheduler for 100 ms and more, and another scheduler that has nothing to do sleeps: of 200 collections of a list of 96 MB,
  # 160 to 190 kept a process at `:max` priority waiting for more than 20 ms. A scheduler that has woken takes what waits for others
  # before it sleeps again. So a ticker wakes every few milliseconds, and sends a message to the watchdog's process if that is late.

  alias Bounded.Vm

  # A collection holds one scheduler. Several at once hold several.
  @most 4
  # Milliseconds between two ticks of a ticker.
  @tick_ms 3
  # Milliseconds after it was due from which on a reading counts as late.
  @late_ms 1
  # Milliseconds for which tickers go on after the last reading. Without another one by then, the watchdog's process hangs or is dead.
  @lasting_ms 1_000
  # Indexes of the atomics by which the watchdog's process tells the tickers when its next reading is due, and until when they go on, both
  # in monotonic milliseconds.
  @due 1
  @until 2

  defstruct [:pids, :times]

  @doc "Starts the tickers, linked to the caller. They sleep until `go_on/2`."
  def start_link do
    times = :atomics.new(2, signed: true)
    :atomics.put(times, @until, now())
    # None where the VM has one scheduler: no other one could take the process.
    count =
      if System.schedulers_online() == 1, do: 0, else: min(System.schedulers_online(), @most)

    pids =
      for scheduler <- 1..count//1 do
        options = [:link, priority: :max, message_queue_data: :off_heap, max_heap_size: 0]
        Vm.spawn_on(scheduler, __MODULE__, :start, [scheduler, self(), times], options)
      end

    for pid <- pids, do: receive(do: ({:ticker, ^pid} -> :ok))
    %__MODULE__{pids: pids, times: times}
  end

  @doc "Wakes the tickers, if they sleep. They watch over the reading that is due at `due`."
  def go_on(%{pids: pids, times: times}, now, due) do
    slept = :atomics.get(times, @until) <= now
    :atomics.put(times, @due, due)
    :atomics.put(times, @until, now + @lasting_ms)
    if slept, do: for(pid <- pids, do: send(pid, :go))
    :ok
  end

  @doc "Lets the tickers sleep: the node does not stir any more."
  def sleep(%{times: times}), do: :atomics.put(times, @until, now())

  @doc false
  def start(scheduler, server, times) do
    Vm.unbind()
    send(server, {:ticker, self()})
    wait(scheduler, server, times)
  end

  defp wait(scheduler, server, times) do
    receive do: (_ -> tick(scheduler, server, times))
  end

  defp tick(scheduler, server, times) do
    Vm.return(scheduler)
    now = now()

    cond do
      now >= :atomics.get(times, @until) ->
        wait(scheduler, server, times)

      now > :atomics.get(times, @due) + @late_ms ->
        send(server, :late)
        pause(scheduler, server, times)

      true ->
        pause(scheduler, server, times)
    end
  end

  defp pause(scheduler, server, times) do
    receive do
      _ -> :ok
    after
      @tick_ms -> :ok
    end

    tick(scheduler, server, times)
  end

  defp now, do: System.monotonic_time(:millisecond)
end
