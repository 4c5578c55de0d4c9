defmodule Quota.Watchdog.State do
  @moduledoc false
  # What the watchdog's process knows, and what follows from it. Times are monotonic milliseconds, sizes bytes.
  #
  #   * `next`: when the next reading is due; `asleep`: whether the thread reads until then (`Reading.Watch`)
  #   * `mark`: the usage from which the next step of growth is measured; `stirred_until`: until when the node counts as growing
  #   * `summary`: what the census reported last; `number`, `busy`: the look that it was asked for, and whether the answer is missing
  #   * `looked`, `looked_used`: when the census was asked last, and the usage then; `calm_at`, `calm_used`: the same for the baseline
  #   * `lowest`: the least usage of a while, see `Schedule`
  #   * `over_since`: since when usage and forecast are above the line; `acted`: whether the culprit was reported (observed or refused)
  #   * `critical`: whether the report at 95 % was made; `said_paused`: whether it was reported that `per_minute:` is reached;
  #     `nothing_at`: when it was reported last that nothing may end
  #   * `settling`: the last kill, while its memory is waited for; `relieving`: the process that collects garbage
  #   * `ends`: when something was ended; `restarts`: `{supervisor, when}` of these; `groups`: see `Culprit.choose/2`
  #   * `allocated`: `{when, bytes of all binaries, usage}` of recent looks, newest first

  alias Quota.Watchdog.Pace

  defstruct [
    :options,
    :reading,
    :census,
    :box,
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
    said_paused: false,
    nothing_at: nil,
    last: nil,
    ends: [],
    restarts: [],
    groups: %{},
    allocated: [],
    limits: %{}
  ]

  # Milliseconds within which allocated memory is written to, and so becomes a part of the usage.
  @unread_ms 150
  # Milliseconds for which a forecast of the census counts.
  @forecast_ms 50
  # From this part of the limit on, in percent, a report is made even if nothing is ended.
  @critical_percent 95

  @doc "The processes that the watchdog's process has started."
  def helpers(state), do: [state.census, state.box, state.reading.slow | state.tickers.pids]

  @doc "What the census reported as grown, worst first. None before its first look."
  def candidates(%{summary: nil}), do: []
  def candidates(state), do: state.summary.candidates

  @doc "Bytes in use and bytes that are about to be taken."
  def expected(state, now) do
    {pending, _copies} = forecast(state, now)
    state.used + pending + missed(state) + unread(state)
  end

  # Growth during a late reading. One step of the usage is not a trend, so it counts for at most half of what is left above the line.
  defp missed(state),
    do: min(Pace.missed(state.pace), max(div(state.reading.limit - state.reading.line, 2), 0))

  # Bytes of binaries that are allocated but not yet written to, such as the binary for a file that is being read: the kernel counts a
  # page when it is first written. That is the growth of the binaries less the growth of the usage since then, and at least 0.
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

  @doc "Bytes that collections are about to take, in all and by pid, as the census forecast them. 0 when that is over 50 ms old."
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
