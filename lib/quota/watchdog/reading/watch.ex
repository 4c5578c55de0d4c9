defmodule Quota.Watchdog.Reading.Watch do
  @moduledoc false
  # The thread that reads the usage while the watchdog's process sleeps (`native/nif/src/kernel_file/watch.rs`).
  #
  # A process that wakes costs the VM some hundred microseconds, since its schedulers look for more work before they sleep again; a
  # reading on that thread costs ten. So the thread keeps up the readings, and wakes the process only for those that concern it.

  alias Bounded.{KernelFile, Native}
  alias Quota.Watchdog.{Pace, Reading, Schedule, State}

  # Milliseconds after which the thread wakes the process in any case.
  @longest_ms 30_000
  # Milliseconds that the process waits for that beyond them, before it reads by itself.
  @grace_ms 100
  # A usage that is never reached.
  @never 0xFFFF_FFFF_FFFF_FFFF

  @doc "Starts the thread. Returns nil where none can be started: the process then reads by itself."
  def start(reading) do
    case KernelFile.watch(reading.file) do
      {:ok, watch} -> watch
      :error -> nil
    end
  end

  @doc """
  Makes the thread read every `pause` milliseconds. Returns the milliseconds for which the process may sleep, or nil if it has to read by
  itself. The thread wakes it with `{:usage_watch, readings, lowest}`, for `noted/3`.
  """
  def sleep(%{watch: nil}, _now, _pause), do: nil

  def sleep(%{watch: watch, reading: reading} = state, now, pause) do
    times = {pause * 1_000, longest(state, now)}

    if Native.usage_watch_order(watch, now, reading.limit, marks(state, now), times),
      do: max(@longest_ms, pause) + @grace_ms
  end

  # The census wakes the process when it has looked.
  defp longest(%{busy: true}, _now), do: @longest_ms

  defp longest(state, now),
    do: state |> Schedule.until_census(now) |> max(1) |> min(@longest_ms)

  # `{lowest, step, line, floor}` of an order, see `native/core/src/usage_watch.rs`. The usages there include file cache, the watchdog's do
  # not.
  defp marks(%{reading: %{cache: cache, limit: limit}} = state, now) do
    step = Schedule.step(limit)
    fall = state.looked_used - step
    floor = if state.used > fall, do: max(fall + cache, 0), else: 0
    {state.mark + cache, step, max(line(state, now), 0), floor}
  end

  # The first usage at which there is something to decide.
  defp line(%{reading: %{cache: cache} = reading} = state, now) do
    about_to_be = State.expected(state, now) - state.used
    critical = if state.critical, do: @never, else: State.critical(reading.limit) + cache

    (reading.line - about_to_be + cache)
    |> min(critical)
    |> min(dropping(reading))
  end

  # From here on the kernel drops cache to make room, so the usage stays the same while memory grows.
  defp dropping(reading),
    do: if(Reading.cached?(reading), do: Reading.full(reading), else: @never)

  @doc "Notes readings of the thread, `{at, bytes, late}`, as if the process had made them. The last of them was the one due."
  def noted(state, readings, lowest) do
    cache = state.reading.cache

    readings =
      for {at, _, _} = reading <- readings,
          state.pace.at == nil or at > state.pace.at,
          do: reading

    state = %{state | mark: min(state.mark, max(lowest - cache, 0))}

    Enum.reduce(readings, state, fn {at, bytes, late}, state ->
      used = max(bytes - cache, 0)
      pace = state.pace |> Pace.late(late, at) |> Pace.note(used, at)
      %{state | pace: pace, next: at - late}
    end)
  end
end
