defmodule Quota.Watchdog.Pace do
  @moduledoc false
  # How fast the usage grows, and when to read it again: after an eighth of the time in which the fastest growth seen would use up the
  # headroom.

  # Bytes per second. The fastest growth is taken for at least this: a process that fills binaries grows so.
  @assumed 500 * 1024 * 1024
  # Readings within the time in which the fastest growth would use up the headroom, and the bounds of the pause between two.
  @readings 8
  @shortest_ms 2
  @longest_ms 500
  # Milliseconds over which the present growth (`rate`) is measured: one step of an allocator is not a trend.
  @window_ms 40
  # The fastest growth seen fades by half in this time.
  @half_life_ms 60_000

  # On a busy machine readings come late, and miss the growth of that time. The lateness fades by half in this time.
  @late_half_life_ms 500
  # A later reading counts as this late.
  @latest_ms 60

  defstruct at: nil, used: 0, fastest: @assumed, rate: 0, samples: [], late: 0.0

  @doc "Notes the bytes in use at `now` (milliseconds)."
  def note(%__MODULE__{at: nil} = pace, used, now),
    do: %{pace | at: now, used: used, samples: [{now, used}]}

  def note(pace, used, now) do
    # Keeps one sample that is older: after a late reading there is none within the window.
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

  @doc "Notes by how many milliseconds a reading is late."
  def late(%{at: nil} = pace, _late, _now), do: pace

  def late(pace, late, now) do
    faded = pace.late * :math.pow(0.5, (now - pace.at) / @late_half_life_ms)
    %{pace | late: max(faded, min(late, @latest_ms) * 1.0)}
  end

  @doc "Bytes by which the usage grows at the present rate, if the next reading is as late as earlier ones."
  def missed(pace), do: trunc(pace.rate * pace.late / 1_000)

  @doc "Milliseconds until the next reading, with `headroom` bytes left below the line."
  def interval(pace, headroom) do
    div(max(headroom, 0) * 1_000, pace.fastest * @readings)
    |> max(@shortest_ms)
    |> min(@longest_ms)
  end

  @doc "Milliseconds until `bytes` more are in use at the present growth, or `:infinity`."
  def time_left(%{rate: 0}, _bytes), do: :infinity
  def time_left(pace, bytes), do: div(max(bytes, 0) * 1_000, pace.rate)
end
