defmodule Quota.Watchdog.Decision do
  @moduledoc false
  # What to do about the usage: nothing, collect garbage, end a culprit, or wait until the memory of the last one is back.

  import Quota.Watchdog.State,
    only: [
      candidates: 1,
      critical: 1,
      expected: 2,
      forecast: 2,
      time_left: 1,
      figures: 1,
      helpers: 1
    ]

  alias Quota.Watchdog.{BlackBox, Census, Culprit, Immunity, Relief}
  alias Quota.Watchdog.Decision.{Breaches, Handle}

  # Milliseconds: a summary of at most this age, made after the line was passed, is decided by at once. A newer one is awaited for
  # `@patience_ms` at most.
  @fresh_ms 12
  @patience_ms 20
  # If the limit is less than `@hurry_ms` away, a summary of up to `@stale_ms` will do. Milliseconds.
  @hurry_ms 200
  @stale_ms 250
  # Garbage is collected first if the limit is at least this far away, and not again within `@relief_pause_ms`. Milliseconds.
  @relief_ms 300
  @relief_pause_ms 10_000
  # Milliseconds after a kill for which its memory is awaited at most.
  @settle_ms 2_000
  # The last minute, in which at most `per_minute:` ends are allowed.
  @minute_ms 60_000
  # The end of a group's members also makes room for this many milliseconds of growth.
  @ahead_ms 200
  # A crisis is over at one part in this many of the limit below the line.
  @eased 50

  @doc "Decides by the usage that was just read. Returns the new state."
  def step(state, now), do: state |> settle(now) |> judge(now) |> report_critical()

  # After a kill nothing more ends until its memory is back, unless the usage rises by a 64th of the limit meanwhile: when the culprit has
  # been dead for 5 ms, or is not dead after 250 ms.
  defp settle(%{settling: nil} = state, _now), do: state

  defp settle(%{settling: settling} = state, now) do
    settling = %{settling | lowest: min(settling.lowest, state.used)}
    step = div(state.reading.limit, 64)

    cond do
      # It is dead, and others go on growing.
      settling.dead_at != nil and now - settling.dead_at > 5 and
          state.used > settling.lowest + step ->
        settled(state, now)

      # It is not dead yet, in a call that does not yield, and the usage grows.
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

  # Well below the line the crisis is over: the next one is reported again.
  defp ease(state, now) do
    if expected(state, now) < state.reading.line - div(state.reading.limit, @eased),
      do: %{state | over_since: nil, acted: false, said_paused: false},
      else: %{state | over_since: nil}
  end

  # By figures from after the line was passed, unless there is no time to wait for them.
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

  @doc "Notes what collections gave back: `[{pid, bytes}]`."
  def relieved(state, results) do
    collected = for {pid, bytes} <- results, bytes > 0, do: {pid, bytes}
    for {pid, bytes} <- collected, do: BlackBox.collected(state.box, pid, bytes)

    case collected do
      [{pid, _} | _] -> acted(state, :collected, %{kind: :process, pid: pid})
      [] -> state
    end
  end

  defp finish(state, now) do
    state = %{state | ends: recent_ends(state, now)}

    cond do
      length(state.ends) >= state.options.per_minute -> pause(state)
      true -> state |> culprits(now) |> act(state, now)
    end
  end

  @doc "When something was ended within the last minute."
  def recent_ends(state, now), do: Enum.filter(state.ends, &(now - &1 <= @minute_ms))

  # Candidates that may end, worst first.
  defp culprits(state, now) do
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

  # Groups of which members ended within the last minute, with `{when, identity}`: the identity of one of these members, or nil.
  defp recent(groups, now), do: Map.filter(groups, fn {_, {at, _}} -> now - at < @minute_ms end)

  defp ended(state, %{kind: :group, key: key, identities: identities}, now) do
    identity = identities |> Map.values() |> Enum.find(&Culprit.readable/1)
    state.groups |> recent(now) |> Map.put(key, {now, identity})
  end

  defp ended(state, _candidate, now), do: recent(state.groups, now)

  # `per_minute:` is reached: reported once in a crisis.
  defp pause(%{said_paused: true} = state), do: state

  defp pause(state) do
    BlackBox.paused(state.box, figures(state), state.options.per_minute)
    acted(%{state | said_paused: true}, :paused, nil)
  end

  # Once a minute: while a forecast is above the line, this is reached at each reading.
  defp act([], %{nothing_at: at} = state, now) when at != nil and now - at < @minute_ms, do: state

  # From 95 % on this is the report of that, too.
  defp act([], state, now) do
    critical = state.critical or critical?(state)
    %{report(state, nil, [], :nothing_to_end) | nothing_at: now, critical: critical}
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
    pids = parents(state, candidate, now) ++ members
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

  # Bytes that ends have to give back, or keep from being taken, to bring the usage 5 % of the limit below the line. With `@ahead_ms` of
  # growth: what the survivors start meanwhile takes some of them.
  defp need(state, now) do
    %{limit: limit, line: line} = state.reading
    growth = min(div(state.pace.rate * @ahead_ms, 1_000), max(limit - line, 0))
    expected(state, now) + growth - (line - div(limit, 20))
  end

  # The parent of a group ends too if the group grew again after its youngest members were ended, or leaves no time to end only these.
  defp parents(state, %{kind: :group, key: {:parent, parent} = key}, now) do
    again = is_map_key(recent(state.groups, now), key)
    identity = state.summary.identities[parent]

    if (again or time_left(state) < @hurry_ms) and identity != nil and
         Immunity.reason(parent, identity, state.options.protect, own(state), false) == nil and
         Immunity.restartable?(identity, state.restarts, now),
       do: [parent],
       else: []
  end

  defp parents(_state, _candidate, _now), do: []

  # The watchdog's processes.
  defp own(state), do: [self() | helpers(state)]

  defp report(state, candidate, rest, outcome) do
    BlackBox.publish(state.box, figures(state), candidate, Enum.take(rest, 5), outcome)
    acted(state, outcome, candidate)
  end

  # Notes the act for `Quota.Watchdog.status/0`.
  defp acted(state, outcome, candidate) do
    candidate = candidate || %{}
    at = System.monotonic_time(:millisecond)
    last = %{outcome: outcome, kind: candidate[:kind], pid: candidate[:pid], at: at}
    %{state | last: last}
  end

  defp report_critical(state) do
    over = critical?(state)

    cond do
      over and not state.critical ->
        report(state, nil, candidates(state), :critical) |> Map.put(:critical, true)

      not over and state.critical and state.used < state.reading.line ->
        %{state | critical: false}

      true ->
        state
    end
  end

  defp critical?(state), do: state.used >= critical(state.reading.limit)
end
