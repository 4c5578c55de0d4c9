defmodule Quota.Watchdog.FiguresTest do
  # What the watchdog and its census know before all figures are there.
  use ExUnit.Case, async: true

  import Bounded.Eventually
  alias Bounded.Cgroup
  alias Quota.Watchdog.Census.{Ports, Summary}
  alias Quota.Watchdog.{Reading, Schedule, State}

  test "programs that grew since the node was calm, with the process that uses each" do
    ports = Ports.answered(%Ports{}, [{:a, self(), 10}, {:b, self(), 10}])
    # Without a baseline nothing grew.
    assert Ports.grown(ports, 1) == []
    assert Ports.calm(%Ports{}) == %Ports{}

    grown =
      Ports.answered(Ports.calm(ports), [{:a, self(), 14}, {:b, self(), 11}, {:c, self(), 9}])

    assert Ports.grown(grown, 4) == [{4, self(), 14}, {9, self(), 9}]
    assert Ports.await(grown) == grown
  end

  test "are asked for at most once in a while, and waited for as long" do
    assert Ports.await(%Ports{}) == %Ports{}
    now = System.monotonic_time(:millisecond)
    asked = Ports.ask(%Ports{}, now)
    assert Ports.ask(asked, now + 1) == asked
    # On a busy machine the answer may come after one wait.
    eventually(fn -> assert is_list(Ports.await(asked).now) end)
  end

  test "before the census has looked twice, no binaries are loose and none are noted" do
    for state <- [%{totals: nil}, %{totals: %{binary: 9}, before: nil}] do
      assert Summary.unheld(state) == state
    end

    assert Summary.loose(%{unheld: []}) == 0
    state = %State{summary: nil, allocated: []}
    assert State.allocated(state) == state
  end

  describe "what is about to be taken" do
    defp noted(used, binary, at) do
      &State.allocated(%{
        &1
        | used: used,
          summary: %{totals: %{binary: binary}, at: at, pending: 0, copies: %{}}
      })
    end

    defp expected(state, used), do: State.expected(%{state | used: used}, 1_000)

    setup do
      reading = %{limit: 1_000, line: 900}
      {:ok, state: noted(100, 10, 10).(%State{reading: reading})}
    end

    test "has binaries that were allocated and not written to", %{state: state} do
      state = noted(100, 60, 20).(state)
      assert expected(state, 100) == 150
      # Some of them were.
      assert expected(state, 130) == 150
    end

    test "is nothing less than what is in use, however much more that is than at the last look",
         %{state: state} do
      assert expected(state, 100) == 100
      assert expected(state, 890) == 890
      assert expected(noted(500, 5, 20).(state), 900) == 900
    end

    test "is a forecast of collections for a while, in all and of each process" do
      copies = %{self() => 30}
      state = %State{summary: %{at: 1_000, pending: 30, copies: copies}}
      assert State.forecast(state, 1_050) == {30, copies}
      assert State.forecast(state, 1_051) == {0, %{}}
      assert State.forecast(%State{summary: nil}, 1_000) == {0, %{}}
    end
  end

  describe "a node on which something grows all the time" do
    # In a second the usage rises to 60 above `least` and falls again, of 1,000. What the census is asked by 30 s later.
    defp looks(least) do
      reading = %{limit: 1_000, line: 850}
      state = %State{reading: reading, census: self(), next: 0, stirred_until: 0, mark: 100}
      begun = Schedule.look(%{state | used: 100}, 0, true)

      Enum.reduce(Enum.take_every(10..30_000, 10), begun, fn now, state ->
        used = least.(now) + abs(rem(div(now, 10), 100) - 50)
        state = Schedule.stirred(%{state | used: used, next: now, busy: false}, now)
        Schedule.census(state, now)
      end)

      for({:look, _, calm} <- looked([]), do: calm) |> Enum.frequencies()
    end

    defp looked(looks) do
      receive do
        look -> looked([look | looks])
      after
        0 -> looks
      end
    end

    test "has a new baseline by its least usage every ten seconds or so" do
      assert %{true => 3, false => looks} = looks(fn _ -> 300 end)
      assert looks > 100
    end

    test "has none while its least usage grows, and none near the line" do
      assert %{true => 1, false => _} = looks(&(100 + div(&1, 60)))
      assert %{true => 1, false => _} = looks(fn _ -> 750 end)
    end
  end

  test "the reader of what changes slowly minds no stray message" do
    slow = Reading.Slow.start_link(Cgroup.find())
    send(slow, :stray)
    Reading.Slow.ask(slow)
    assert_receive {:slow, %{memory: %{}, events: %{}}}
    Process.unlink(slow)
    Process.exit(slow, :kill)
  end

  test "a group of version 1 is read of its own file" do
    assert {:ok, reading} = Reading.open(0.5, "test/fixtures/cgroup/v1")
    assert reading.line == div(reading.limit, 2)
    assert {80_000_000, _} = Reading.used(reading, reading.refreshed)
    Process.unlink(reading.slow)
    Process.exit(reading.slow, :kill)
    assert {:error, "this system reports neither" <> _} = Reading.open(0.5, "test/fixtures/none")
  end
end
