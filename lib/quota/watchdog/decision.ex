defmodule Quota.Watchdog.Decision do
  @moduledoc false
  # What to do about the usage: nothing, collect garbage, end something, or wait for what comes back.

  import Quota.Watchdog.State,
    only: [critical: 1, expected: 2, forecast: 2, time_left: 1, figures: 1, helpers: 1]

  alias Quota.Watchdog.{BlackBox, Census, Culprit, Immunity, Relief}
  alias Quota.Watchdog.Decision.{Breaches, Handle}

  # Milliseconds for which a summary is good, and for which one that is newer is waited for.
  @fresh_ms 12
  @patience_ms 20
  # Milliseconds: where there is no time to wait, figures of this age will do.
  @hurry_ms 200
  @stale_ms 250
  # Time until the limit is reached, in milliseconds, that is enough to collect garbage first.
  @relief_ms 300
  @relief_pause_ms 10_000
  # Milliseconds for which what a kill gives back is waited for, while nothing grows.
  @settle_ms 2_000
  @minute_ms 60_000
  # Milliseconds of growth that the end of a group's members makes room for.
  @ahead_ms 200
  # The part of the limit below the line at which a crisis is over.
  @eased 50

  @doc "Decides by the usage that was read just now."
  def step(state, now), do: state |> settle(now) |> judge(now) |> report_critical()

  # After a kill: nothing more ends until its memory is back, unless the usage rises again.
  defp settle(%{settling: nil} = state, _now), do: state

  defp settle(%{settling: settling} = state, now) do
    settling = %{settling | lowest: min(settling.lowest, state.used)}
    step = div(state.reading.limit, 64)

    cond do
      # Dead, and others go on growing.
      settling.dead_at != nil and now - settling.dead_at > 5 and
          state.used > settling.lowest + step ->
        settled(state, now)

      # Not dead yet, in a call that does not end, while something grows.
      settling.dead_at == nil and now - settling.at > 250 and state.used > settling.used + step ->
        settled(state, now)

      settling.dead_at != nil and state.used < state.reading.line and now - settling.dead_at > 50 ->
        settled(state, now)

      now - settling.at > @settle_ms ->
        settled(state, now)

      true ->
        %{state | settling: settling}
    end
  end

  defp settled(%{settling: settling} = state, now) do
    BlackBox.ended(state.box, figures(state), %{
      returned: max(settling.used - state.used, 0),
      milliseconds: now - settling.at,
      processes: settling.processes,
      kind: settling.kind
    })

    %{state | settling: nil}
  end

  defp judge(state, now) do
    cond do
      expected(state, now) < state.reading.line -> ease(state, now)
      state.settling != nil -> state
      state.over_since == nil -> %{state | over_since: now} |> decide(now)
      true -> decide(state, now)
    end
  end

  # A little below the line what follows is new.
  defp ease(state, now) do
    if expected(state, now) < state.reading.line - div(state.reading.limit, @eased),
      do: %{state | over_since: nil, acted: false, said_bound: false},
      else: %{state | over_since: nil}
  end

  # With figures from after the line was passed, unless there is no time for them.
  defp decide(state, now) do
    cond do
      state.acted ->
        state

      fresh?(state, now) ->
        relieve_or_end(state, now)

      now - state.over_since >= patience(state) and state.summary != nil ->
        relieve_or_end(state, now)

      true ->
        state
    end
  end

  defp fresh?(%{summary: nil}, _now), do: false

  defp fresh?(state, now) do
    age = now - state.summary.at

    (state.summary.at >= state.over_since - 2 and age <= @fresh_ms) or
      (age <= @stale_ms and time_left(state) < @hurry_ms)
  end

  defp patience(state) do
    case time_left(state) do
      :infinity -> @patience_ms
      ms -> min(div(ms, 3), @patience_ms)
    end
  end

  defp relieve_or_end(%{relieving: relieving} = state, now) when relieving != nil do
    if hurried?(state), do: finish(state, now), else: state
  end

  defp relieve_or_end(state, now) do
    if not hurried?(state) and
         (state.relieved_at == nil or now - state.relieved_at > @relief_pause_ms) do
      room = state.reading.limit - state.used
      %{state | relieving: Relief.start(state.summary.candidates, room), relieved_at: now}
    else
      finish(state, now)
    end
  end

  defp hurried?(state), do: time_left(state) < @relief_ms

  @doc "Notes what collections gave back."
  def relieved(state, results) do
    collected = for {pid, bytes} <- results, bytes > 0, do: {pid, bytes}
    for {pid, bytes} <- collected, do: BlackBox.collected(state.box, pid, bytes)

    case collected do
      [{pid, _} | _] -> acted(state, :collected, %{kind: :process, pid: pid})
      [] -> state
    end
  end

  defp finish(state, now) do
    ends = Enum.filter(state.ends, &(now - &1 <= @minute_ms))
    state = %{state | ends: ends}

    cond do
      length(ends) >= state.options.per_minute -> bound(state)
      true -> state |> candidates(now) |> act(state, now)
    end
  end

  defp candidates(state, now) do
    Culprit.choose(state.summary.candidates, %{
      limit: state.reading.limit,
      grown: max(state.used + state.summary.pending - state.calm_used, 0),
      protect: state.options.protect,
      own: own(state),
      identities: state.summary.identities,
      groups: recent(state.groups, now),
      ends: state.restarts,
      now: now
    })
  end

  # Groups of which members ended within a minute, each with when that was, and who one of those was, or nil.
  defp recent(groups, now), do: Map.filter(groups, fn {_, {at, _}} -> now - at < @minute_ms end)

  defp ended(state, %{kind: :group, key: key, identities: identities}, now) do
    identity = identities |> Map.values() |> Enum.find(&Culprit.readable/1)
    state.groups |> recent(now) |> Map.put(key, {now, identity})
  end

  defp ended(state, _candidate, now), do: recent(state.groups, now)

  defp bound(%{said_bound: true} = state), do: state

  defp bound(state) do
    BlackBox.paused(state.box, figures(state), state.options.per_minute)
    acted(%{state | said_bound: true}, :paused, nil)
  end

  defp act([], state, _now) do
    state = if state.critical, do: state, else: report(state, nil, [], :nothing_to_end)
    %{state | critical: true}
  end

  defp act([first | _] = candidates, state, now) do
    case Handle.choose(candidates, state, figures(state)) do
      :refuse ->
        state |> report(first, tl(candidates), :refused) |> Map.put(:acted, true)

      candidate ->
        act(candidate, List.delete(candidates, candidate), state, now)
    end
  end

  defp act(candidate, rest, %{options: %{mode: :observe}} = state, _now),
    do: state |> report(candidate, rest, :observed) |> Map.put(:acted, true)

  defp act(candidate, rest, state, now), do: execute(state, candidate, rest, now)

  defp execute(state, candidate, rest, now) do
    {_pending, copies} = forecast(state, now)
    members = Culprit.pids(candidate, need(state, now), copies)
    pids = source(state, candidate, now) ++ members
    wait = patience(state) |> min(10)
    BlackBox.capture(state.box, hd(members), candidate[:identity], wait)
    refs = Enum.map(pids, &Process.monitor/1)
    Enum.each(pids, &Breaches.note/1)
    for pid <- pids, do: Process.exit(pid, :kill)
    Census.ended(state.census, pids)

    state = report(state, candidate, rest, :ended)

    restarts = Culprit.restarts(candidate, pids, now) ++ Enum.take(state.restarts, 100)

    settling = %{
      at: now,
      used: state.used,
      lowest: state.used,
      refs: refs,
      dead_at: nil,
      processes: length(pids),
      kind: candidate.kind
    }

    %{
      state
      | settling: settling,
        over_since: nil,
        ends: [now | state.ends],
        restarts: restarts,
        groups: ended(state, candidate, now),
        summary: %{state.summary | candidates: [], pending: 0, copies: %{}}
    }
  end

  # Bytes that have to come back, or not to be taken. What is started meanwhile takes some of them.
  defp need(state, now) do
    %{limit: limit, line: line} = state.reading
    growth = min(div(state.pace.rate * @ahead_ms, 1_000), max(limit - line, 0))
    expected(state, now) + growth - (line - div(limit, 20))
  end

  # A group that grew again after its youngest were ended, or that leaves no time for that: what starts its processes ends too.
  defp source(state, %{kind: :group, key: {:parent, parent} = key}, now) do
    again = is_map_key(recent(state.groups, now), key)
    identity = state.summary.identities[parent]

    if (again or time_left(state) < @hurry_ms) and identity != nil and
         Immunity.reason(parent, identity, state.options.protect, own(state), false) == nil and
         Immunity.restartable?(identity, state.restarts, now),
       do: [parent],
       else: []
  end

  defp source(_state, _candidate, _now), do: []

  # The watchdog's processes.
  defp own(state), do: [self() | helpers(state)]

  defp report(state, candidate, rest, outcome) do
    BlackBox.publish(state.box, figures(state), candidate, Enum.take(rest, 5), outcome)
    acted(state, outcome, candidate)
  end

  # What `Quota.Watchdog.status/0` tells of the last act.
  defp acted(state, outcome, candidate) do
    candidate = candidate || %{}
    at = System.monotonic_time(:millisecond)
    last = %{outcome: outcome, kind: candidate[:kind], pid: candidate[:pid], at: at}
    %{state | last: last}
  end

  defp report_critical(state) do
    over = state.used >= critical(state.reading.limit)

    cond do
      over and not state.critical ->
        report(state, nil, candidates(state), :critical) |> Map.put(:critical, true)

      not over and state.critical and state.used < state.reading.line ->
        %{state | critical: false}

      true ->
        state
    end
  end

  defp candidates(%{summary: nil}), do: []
  defp candidates(state), do: state.summary.candidates
end
