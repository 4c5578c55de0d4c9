defmodule Quota.Watchdog.Schedule do
  @moduledoc false
  # When the watchdog reads the usage, and when the census looks at processes.

  alias Quota.Watchdog.{Census, Pace}

  # Parts of the line, in percent, below which a node that does not grow is calm.
  @calm_percent 85
  # Milliseconds between passes over all processes of a calm node: while its usage stays as it was at the last pass, and after it has
  # changed or where processes are to be limited as they appear. A pass takes at most one part in this many of the time, and more where
  # processes are to be limited.
  @idle_ms 30_000
  @calm_ms 1_000
  @calm_share 1_000
  @limits_share 50
  # Microseconds of processor time to ask a process.
  @process_us 3
  # Growth, as a part of the limit, after which the census looks.
  @stir 128
  # Milliseconds for which something grows after it grew, and between two readings meanwhile.
  @stirring_ms 300
  @stirred_ms 3
  # Milliseconds for which a node may not be calm, until its least usage counts as that.
  @restless_ms 10_000
  # A usage over the line that does not grow, and of which nothing can be ended, is looked at less often after some time.
  @over_for_ms 2_000
  @over_ms 20
  # The longest pause between two looks while something grows.
  @look_ms 20

  @doc "Milliseconds until the next reading."
  def pause(state) do
    pause = Pace.interval(state.pace, headroom(state))

    cond do
      stirs?(state) -> min(pause, @stirred_ms)
      state.over_since != nil -> max(pause, @over_ms)
      true -> pause
    end
  end

  # Near the line the pace is that of the line; a process that may be about to collect makes it near.
  defp headroom(state) do
    pending = if state.summary, do: state.summary.pending, else: 0
    state.reading.line - state.used - pending
  end

  @doc "Asks the census for a look, if one is due."
  def census(%{busy: true} = state, _now), do: state

  def census(state, now) do
    cond do
      stirs?(state) ->
        if now - state.looked >= look_pause(state),
          do: look(state, now, calm_at_last?(state, now)),
          else: state

      until_census(state, now) <= 0 ->
        look(state, now, calm?(state))

      true ->
        state
    end
  end

  @doc "Milliseconds until the next look at a node that does not grow."
  def until_census(state, now),
    do: state.looked + max(due(state), calm_pause(state)) - now

  # What the last look took, in microseconds, so that looks take half of the time at most.
  defp look_pause(%{summary: %{cost: cost}}), do: min(div(cost, 1_000), @look_ms) |> max(2)
  defp look_pause(_), do: 2

  # A usage that fell makes a new baseline due too: what grows afterwards is measured from there.
  defp due(state) do
    if state.limits == %{} and
         abs(state.used - state.looked_used) < step(state.reading.limit),
       do: @idle_ms,
       else: @calm_ms
  end

  # By the number of processes, and not by the time that the last pass took: on a busy machine that is mostly waiting.
  defp calm_pause(state) do
    share = if state.limits == %{}, do: @calm_share, else: @limits_share
    div(:erlang.system_info(:process_count) * @process_us * share, 1_000)
  end

  @doc "Whether something grows, or what happens at the line is not over."
  def stirs?(state) do
    state.settling != nil or state.next < state.stirred_until or
      (state.over_since != nil and state.next - state.over_since < @over_for_ms)
  end

  @doc "Whether the process may sleep until a reading concerns it."
  def sleeps?(state),
    do: not stirs?(state) and state.over_since == nil and state.relieving == nil

  @doc "Bytes of growth after which the census looks."
  def step(limit), do: div(limit, @stir)

  @doc "Notes whether the usage rose by a step: then something grows for a while."
  def stirred(%{used: used, mark: mark} = state, now) do
    state = lowest(state, now)

    cond do
      used >= mark + step(state.reading.limit) ->
        %{state | mark: used, stirred_until: now + @stirring_ms}

      used < mark ->
        %{state | mark: used}

      true ->
        state
    end
  end

  @doc "Whether nothing grows, far below the line."
  def calm?(state),
    do: far_below?(state) and state.used - state.looked_used < step(state.reading.limit)

  # Where requests come and go, something grows all the time. The least usage of a while is then as calm as the node gets: without a
  # new baseline, all that it has held for long would count as grown.
  defp calm_at_last?(state, now) do
    {_since, _lowest, before} = state.lowest

    now - state.calm_at >= @restless_ms and far_below?(state) and
      state.used <= before + step(state.reading.limit) and
      :erlang.system_info(:process_count) * @process_us <= @look_ms * 1_000
  end

  # `{since, the least usage since then, the least of the while before}`. Before there was one, that is 0: no node is calm by it.
  defp lowest(%{used: used, lowest: nil} = state, now), do: %{state | lowest: {now, used, 0}}

  defp lowest(%{used: used, lowest: {since, lowest, before}} = state, now) do
    if now - since >= @restless_ms,
      do: %{state | lowest: {now, used, lowest}},
      else: %{state | lowest: {since, min(lowest, used), before}}
  end

  defp far_below?(state) do
    state.over_since == nil and state.settling == nil and
      state.used * 100 < state.reading.line * @calm_percent
  end

  @doc "Asks the census for a look."
  def look(state, now, calm) do
    number = state.number + 1
    Census.look(state.census, number, calm)
    state = if calm, do: %{state | calm_used: state.used, calm_at: now}, else: state

    %{
      state
      | number: number,
        busy: true,
        looked: now,
        looked_used: state.used,
        asked_at: now
    }
  end

  @doc "Makes the next look due, and the process read."
  def hasten(state, now), do: %{state | looked: now - @idle_ms, next: min(state.next, now)}
end
