defmodule Quota.Watchdog.Decision.ReportsTest do
  # How often the watchdog says that nothing may end, and what it says beside that.
  use ExUnit.Case, async: true

  alias Quota.Watchdog.{Decision, Options, Pace, State}

  @limit 1_000
  @line 900

  # A state in which 100 bytes are about to be taken and nothing that grew may end.
  defp state(used, now) do
    %State{
      options: Options.validate!(mode: :enforce),
      reading: %{
        limit: @limit,
        line: @line,
        memory: %{source: :machine},
        high: nil,
        events: nil,
        slow: self()
      },
      tickers: %{pids: []},
      box: self(),
      census: self(),
      calm_used: 0,
      pace: %Pace{}
    }
    |> at(used, now)
  end

  # The next reading, with the newest summary. Garbage was collected just now, so that it is not collected again.
  defp at(state, used, now) do
    summary = %{at: now, pending: 100, copies: %{}, candidates: [], identities: %{}, totals: nil}
    %{state | used: used, summary: summary, relieved_at: now}
  end

  defp steps(state, used, times),
    do:
      Enum.reduce(times, state, fn now, state -> state |> at(used, now) |> Decision.step(now) end)

  defp outcomes do
    receive do
      {:publish, _figures, nil, _others, outcome} -> [outcome | outcomes()]
    after
      0 -> []
    end
  end

  test "while only a forecast is above the line, it is said once a minute" do
    state = steps(state(850, 0), 850, Enum.take_every(0..30_000, 3))
    assert outcomes() == [:nothing_to_end]
    assert state.last.outcome == :nothing_to_end
    state = steps(state, 850, Enum.take_every(30_003..90_000, 3))
    assert outcomes() == [:nothing_to_end]
    # Also if the usage falls and rises meanwhile.
    state |> steps(100, 90_003..90_100) |> steps(850, 90_101..95_000)
    assert outcomes() == []
  end

  test "95 % of the limit is reported as well" do
    state = steps(state(850, 0), 850, 0..20)
    assert outcomes() == [:nothing_to_end]
    state = steps(state, 960, 21..60)
    assert outcomes() == [:critical]
    # Again after the usage was below the line.
    state |> steps(850, 61..80) |> steps(960, 81..100)
    assert outcomes() == [:critical]
  end

  test "from 95 % on, one report says both" do
    steps(state(960, 0), 960, 0..20)
    assert [outcome] = outcomes()
    assert outcome in [:nothing_to_end, :critical]
  end
end
