defmodule Quota.Watchdog.Pace do
  @moduledoc false
  # How fast the usage grows, and when to look again: a fraction of the time in which the fastest growth seen would use up the
  # headroom.

  # Bytes per second that are assumed before any growth was seen: a process that fills binaries does that.
  @assumed 500 * 1024 * 1024
  @looks 8
  @shortest_ms 2
  @longest_ms 500
  # Milliseconds over which the growth now is measured: one step of an allocator is not a trend.
  @window_ms 40
  # The fastest growth seen is forgotten by a half in this time.
  @half_life_ms 60_000

  # A look that comes late, on a machine that does something else, has missed this growth. Forgotten by a half in this time.
  @late_half_life_ms 500
  @latest_ms 60

  defstruct at: nil, used: 0, fastest: @assumed, rate: 0, samples: [], late: 0.0

  @doc "Notes the bytes in use at `now` (milliseconds)."
  def note(%__MODULE__{at: nil} = pace, used, now),
    do: %{pace | at: now, used: used, samples: [{now, used}]}

  def note(pace, used, now) do
    # One sample is older than that: after a look that came late, there is none within it.
    {recent, older} = Enum.split_while(pace.samples, fn {at, _} -> now - at <= @window_ms end)
    samples = [{now, used} | recent ++ Enum.take(older, 1)]
    {since, before} = List.last(samples)
    rate = div(max(used - before, 0) * 1_000, max(now - since, 1))
    faded = trunc(pace.fastest * :math.pow(0.5, (now - pace.at) / @half_life_ms))

    %{
      pace
      | at: now,
        used: used,
        rate: rate,
        samples: samples,
        fastest: faded |> max(rate) |> max(@assumed)
    }
  end

  @doc "Notes how late a look is, in milliseconds."
  def late(%{at: nil} = pace, _late, _now), do: pace

  def late(pace, late, now) do
    faded = pace.late * :math.pow(0.5, (now - pace.at) / @late_half_life_ms)
    %{pace | late: max(faded, min(late, @latest_ms) * 1.0)}
  end

  @doc "Bytes that will have been taken when the next look comes as late as earlier ones."
  def missed(pace), do: trunc(pace.rate * pace.late / 1_000)

  @doc "Milliseconds until the next look, with `headroom` bytes left below the line."
  def interval(pace, headroom) do
    div(max(headroom, 0) * 1_000, pace.fastest * @looks)
    |> max(@shortest_ms)
    |> min(@longest_ms)
  end

  @doc "Milliseconds until `bytes` more are in use at the growth of now."
  def time_left(%{rate: 0}, _bytes), do: :infinity
  def time_left(pace, bytes), do: div(max(bytes, 0) * 1_000, pace.rate)
end
