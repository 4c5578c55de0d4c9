defmodule Quota.Watchdog.Server do
  @moduledoc false
  # The watchdog's process: it reads the usage, decides, and ends the culprit. It waits for no process that it judges: the census asks
  # those, and the black box writes the report. Before an end it waits at most 10 ms for the culprit's stack (`BlackBox.capture/4`) and
  # 50 ms for the function given with `handle:` (`Decision.Handle`).

  use GenServer

  alias Quota.Watchdog.{BlackBox, Census, Decision, Pace, Reading, Schedule, State}
  alias Quota.Watchdog.Reading.{Tickers, Watch}

  # Not `GenServer.start_link/3`, whose type leaves out some of these flags.
  def start_link(options, name) do
    :gen_server.start_link({:local, name}, __MODULE__, options,
      spawn_opt: [
        priority: :max,
        message_queue_data: :off_heap,
        min_heap_size: 20_000,
        max_heap_size: 0,
        fullsweep_after: 50
      ]
    )
  end

  @impl true
  def init(options) do
    case Reading.open(options.kill_at, options.root) do
      {:ok, reading} ->
        census = Census.start_link(reading.limit)
        box = BlackBox.start_link()
        preload()
        Bounded.Facts.Watchdog.serve()
        now = now()

        state = %State{
          options: options,
          reading: reading,
          census: census,
          box: box,
          watch: Watch.start(reading),
          tickers: Tickers.start_link(),
          next: now
        }

        {used, reading} = Reading.used(reading, now)
        state = %{state | reading: reading, used: used, mark: used, stirred_until: now}
        state = Schedule.look(state, now, true)
        {:ok, state, timeout(state)}

      {:error, why} ->
        error = ArgumentError.exception("Quota.Watchdog does not start: #{why}")
        {:stop, {error, []}}
    end
  end

  # In interactive mode the code server reads a module's file at the first call: in a crisis there is no time for that.
  defp preload do
    # A script may use the library without its application.
    Application.load(:bounded)

    with {:ok, modules} <- :application.get_key(:bounded, :modules),
         do: Enum.each(modules, &Code.ensure_loaded/1)

    Enum.each([:sys, :proc_lib, :ets, :logger, :logger_formatter, Logger], &Code.ensure_loaded/1)
  end

  @impl true
  def handle_call(:status, _from, state) do
    state = if state.asleep, do: tick(state, now()), else: state
    reading = state.reading

    status = %{
      mode: state.options.mode,
      source: reading.memory.source,
      limit: reading.limit,
      line: reading.line,
      used: state.used,
      growth: state.pace.rate,
      ended: length(Decision.recent_ends(state, now())),
      last: last(state.last),
      grew:
        for candidate <- State.candidates(state) do
          Map.take(candidate, [:kind, :pid, :key, :grown, :copy, :bytes])
        end
    }

    {:reply, status, state, timeout(state)}
  end

  def handle_call({:limit, matcher, bytes}, from, state) do
    limits =
      if bytes == :infinity,
        do: Map.delete(state.limits, matcher),
        else: Map.put(state.limits, matcher, bytes)

    # The census answers the caller: a pass that has begun goes on with these limits.
    send(state.census, {:limits, limits, from})
    # A look is made due now, so that processes that run already are limited at once.
    state = Schedule.hasten(state, now())
    {:noreply, %{state | limits: limits}, timeout(state)}
  end

  def handle_call(_unknown, _from, state),
    do: {:reply, {:error, :unknown_call}, state, timeout(state)}

  # `GenServer.stop/1` ends this process with the reason `:normal`, which ends no linked process. A census that went on would go on
  # limiting processes.
  @impl true
  def terminate(_reason, state) do
    refs =
      for pid <- State.helpers(state) do
        Process.unlink(pid)
        Process.exit(pid, :kill)
        Process.monitor(pid)
      end

    for ref <- refs, do: receive(do: ({:DOWN, ^ref, _, _, _} -> :ok))
  end

  defp last(nil), do: nil
  defp last(%{at: at} = last), do: last |> Map.delete(:at) |> Map.put(:age_ms, now() - at)

  @impl true
  def handle_cast(_message, state), do: {:noreply, state, timeout(state)}

  @impl true
  def handle_info({:seen, number, summary}, %{number: number} = state) do
    proceed(State.allocated(%{state | busy: false, summary: summary}))
  end

  def handle_info({:usage_watch, readings, lowest}, %{asleep: true} = state),
    do: state |> Watch.noted(readings, lowest) |> proceed()

  # A late answer to an order that a newer one has replaced.
  def handle_info({:usage_watch, _, _}, state), do: {:noreply, state, timeout(state)}

  def handle_info({:slow, figures}, state) do
    proceed(%{state | reading: Reading.refreshed(state.reading, figures, now())})
  end

  def handle_info({:relieved, results}, state) do
    proceed(Decision.relieved(%{state | relieving: nil}, results))
  end

  # The process that collects garbage ended without an answer: it was killed. A process that it did not collect is ended instead.
  def handle_info({:DOWN, _, :process, pid, _}, %{relieving: pid} = state) do
    proceed(Decision.relieved(%{state | relieving: nil}, []))
  end

  def handle_info({:DOWN, ref, :process, _pid, _}, %{settling: %{refs: refs} = settling} = state) do
    settling = %{settling | refs: List.delete(refs, ref)}

    settling =
      if settling.refs == [], do: %{settling | dead_at: settling.dead_at || now()}, else: settling

    proceed(%{state | settling: settling})
  end

  def handle_info(:timeout, state), do: proceed(state)
  def handle_info(_other, state), do: proceed(state)

  # While this process sleeps, any message is a reason to read the usage.
  defp proceed(state) do
    now = now()
    due = now >= state.next or state.over_since != nil or state.asleep
    state = if due, do: tick(state, now), else: state
    {:noreply, state, timeout(state)}
  end

  defp timeout(state), do: max(state.next - now(), 0)

  defp tick(state, now) do
    state = %{state | next: min(state.next, now)}
    {used, reading} = Reading.used(state.reading, now, pace(state))
    pace = state.pace |> Pace.late(now - state.next, now) |> Pace.note(used, now)
    state = Schedule.stirred(%{state | used: used, reading: reading, pace: pace}, now)
    state |> Decision.step(now) |> Schedule.census(now) |> rest(now)
  end

  defp rest(state, now) do
    pause = Schedule.pause(state)
    sleep = if Schedule.sleeps?(state), do: Watch.sleep(state, now, pause)
    next = now + (sleep || pause)

    if Schedule.sleeps?(state),
      do: Tickers.sleep(state.tickers),
      else: Tickers.go_on(state.tickers, now, next)

    %{state | next: next, asleep: sleep != nil}
  end

  defp pace(state) do
    cond do
      state.over_since != nil -> :near
      Schedule.stirs?(state) -> :growing
      true -> :idle
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
