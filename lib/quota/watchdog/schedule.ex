defmodule Quota.Watchdog.Schedule do
  @moduledoc false
  # When the watchdog reads the usage, and when the census looks at processes.
  #
  # The node *stirs* while its usage has just risen by a step (a 128th of the limit), while the memory of a kill is waited for, and in the
  # first two seconds above the line. It is *calm* when it does not stir and its usage is below 85 % of the line.

  alias Quota.Watchdog.{Census, Pace}

  # Percent of the line below which a node that does not grow is calm.
  @calm_percent 85
  # Milliseconds between passes over all processes of a calm node, while its usage stays as it was at the last pass.
  @idle_ms 30_000
  # The same after its usage has changed, or where processes are to be limited as they appear.
  @calm_ms 1_000
  # Passes take at most one part in this many of the time of one core, and one in `@limits_share` where processes are to be limited.
  @calm_share 1_000
  @limits_share 50
  # Microseconds of processor time to ask a process.
  @process_us 3
  # A step is one part in this many of the limit. Growth by a step makes the node stir, and the census look.
  @stir 128
  # Milliseconds for which the node stirs after a step, and the longest pause between two readings meanwhile.
  @stirring_ms 300
  @stirred_ms 3
  # Milliseconds without calm, after which a usage as low as the least of that time counts as calm.
  @restless_ms 10_000
  # Milliseconds above the line after which readings are at least `@over_ms` apart, unless the usage grows: nothing can be ended then.
  @over_for_ms 2_000
  @over_ms 20
  # The longest pause between two looks while the node stirs, in milliseconds.
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

  # Bytes up to the line. A collection that is about to copy a heap takes some of them.
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

  # Milliseconds: as long as the last look took, so that looks take at most half of the time.
  defp look_pause(%{summary: %{cost: cost}}), do: min(div(cost, 1_000), @look_ms) |> max(2)
  defp look_pause(_), do: 2

  # Milliseconds after the last look. A usage that fell also makes a new baseline due: growth is then measured from there.
  defp due(state) do
    if state.limits == %{} and
         abs(state.used - state.looked_used) < step(state.reading.limit),
       do: @idle_ms,
       else: @calm_ms
  end

  # Milliseconds. From the number of processes, not from the time that the last pass took: on a busy machine that is mostly waiting.
  defp calm_pause(state) do
    share = if state.limits == %{}, do: @calm_share, else: @limits_share
    div(:erlang.system_info(:process_count) * @process_us * share, 1_000)
  end

  @doc "Whether the node stirs: see above."
  def stirs?(state) do
    state.settling != nil or state.next < state.stirred_until or
      (state.over_since != nil and state.next - state.over_since < @over_for_ms)
  end

  @doc "Whether the watchdog's process may sleep while the thread reads, until a reading concerns it."
  def sleeps?(state),
    do: not stirs?(state) and state.over_since == nil and state.relieving == nil

  @doc "Bytes of growth after which the census looks."
  def step(limit), do: div(limit, @stir)

  @doc "Notes whether the usage rose by a step: then the node stirs for a while."
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

  @doc "Whether the usage is far below the line, and has not grown by a step since the last look."
  def calm?(state),
    do: far_below?(state) and state.used - state.looked_used < step(state.reading.limit)

  # A node that serves requests stirs all the time. A usage as low as the least of the last `@restless_ms` is then taken for calm: without
  # a new baseline, all that the node has held for long would count as grown.
  defp calm_at_last?(state, now) do
    {_since, _lowest, before} = state.lowest

    now - state.calm_at >= @restless_ms and far_below?(state) and
      state.used <= before + step(state.reading.limit) and
      :erlang.system_info(:process_count) * @process_us <= @look_ms * 1_000
  end

  # `{since, least usage since then, least usage of the `@restless_ms` before}`. The last is 0 at first: no usage is as low as that.
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
        looked_used: state.used
    }
  end

  @doc "Makes a look and a reading due now."
  def hasten(state, now), do: %{state | looked: now - @idle_ms, next: min(state.next, now)}
end
