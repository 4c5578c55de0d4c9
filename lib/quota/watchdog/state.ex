defmodule Quota.Watchdog.State do
  @moduledoc false
  # What the watchdog's process knows, and what follows from it.

  alias Quota.Watchdog.Pace

  defstruct [
    :options,
    :reading,
    :census,
    :box,
    :asked_at,
    :next,
    :watch,
    :tickers,
    :summary,
    :over_since,
    :settling,
    :relieving,
    :mark,
    :stirred_until,
    pace: %Pace{},
    number: 0,
    asleep: false,
    busy: false,
    used: 0,
    calm_used: nil,
    calm_at: nil,
    lowest: nil,
    looked: nil,
    looked_used: 0,
    acted: false,
    relieved_at: nil,
    critical: false,
    said_bound: false,
    last: nil,
    ends: [],
    restarts: [],
    groups: %{},
    allocated: [],
    limits: %{}
  ]

  # Milliseconds within which memory that was allocated is written to, and for which a forecast of the census is good.
  @unread_ms 150
  @forecast_ms 50
  # From this part of the limit on, in percent, a report is made even if nothing is ended.
  @critical_percent 95

  @doc "The processes that work for the watchdog's own."
  def helpers(state), do: [state.census, state.box, state.reading.slow | state.tickers.pids]

  @doc "Bytes in use, with those that are about to be."
  def expected(state, now) do
    {pending, _copies} = forecast(state, now)
    state.used + pending + missed(state) + unread(state)
  end

  # A step of the usage is no growth that goes on: it counts for half of what is left above the line at most.
  defp missed(state),
    do: min(Pace.missed(state.pace), max(div(state.reading.limit - state.reading.line, 2), 0))

  # Binaries that exist and that nothing has been written to yet, such as of a file that is being read. A usage that rose by more than
  # the binaries did leaves nothing unread, and is not less for that.
  defp unread(%{allocated: [{_, newest, _} | _] = allocated} = state) do
    allocated
    |> Enum.map(fn {_at, binary, used} -> newest - binary - max(state.used - used, 0) end)
    |> Enum.max()
    |> max(0)
  end

  defp unread(_state), do: 0

  @doc "Notes the bytes of all binaries that the census has reported."
  def allocated(%{summary: %{totals: %{binary: binary}, at: at}} = state) do
    recent = Enum.take_while(state.allocated, fn {before, _, _} -> at - before <= @unread_ms end)
    %{state | allocated: [{at, binary, state.used} | recent]}
  end

  def allocated(state), do: state

  @doc "What collections are about to take, in all and by pid, in bytes: a forecast, which is good for a while."
  def forecast(%{summary: %{at: at} = summary}, now) when now - at <= @forecast_ms,
    do: {summary.pending, summary.copies}

  def forecast(_state, _now), do: {0, %{}}

  @doc "Milliseconds until the limit is reached at the growth of now. `:infinity` is larger than any number."
  def time_left(state), do: Pace.time_left(state.pace, state.reading.limit - state.used)

  @doc "The usage from which on a report is made even if nothing is ended."
  def critical(limit), do: div(limit * @critical_percent, 100)

  @doc "The figures of a report."
  def figures(state) do
    reading = state.reading

    %{
      used: state.used,
      limit: reading.limit,
      line: reading.line,
      source: reading.memory.source,
      high: reading.high,
      events: reading.events,
      growth: state.pace.rate,
      fastest: state.pace.fastest,
      calm: state.calm_used,
      pending: (state.summary && state.summary.pending) || 0,
      totals: state.summary && state.summary.totals,
      mode: state.options.mode
    }
  end
end
