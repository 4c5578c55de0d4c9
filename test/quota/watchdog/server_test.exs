defmodule Quota.Watchdog.ServerTest do
  # There is one watchdog on a node.
  use ExUnit.Case, async: false

  alias Bounded.Test.FakeGroup
  alias Quota.Watchdog
  alias Quota.Watchdog.{Server, State}

  @moduletag :capture_log

  # A state whose next reading is far away.
  defp state(fields),
    do: struct!(%State{next: System.monotonic_time(:millisecond) + 60_000}, fields)

  describe "collections that are being made" do
    test "are over when their process was killed before it answered" do
      pid = spawn(fn -> Process.sleep(:infinity) end)
      ref = Process.monitor(pid)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^ref, _, _, :killed} = down
      assert {:noreply, after_it, _} = Server.handle_info(down, state(relieving: pid))
      assert after_it.relieving == nil
    end

    test "go on when another process has ended" do
      pid = spawn_link(fn -> Process.sleep(:infinity) end)
      down = {:DOWN, make_ref(), :process, self(), :killed}
      settling = %{refs: [], dead_at: 1}

      for fields <- [[relieving: pid], [relieving: pid, settling: settling]] do
        assert {:noreply, %{relieving: ^pid}, _} = Server.handle_info(down, state(fields))
      end
    end
  end

  test "ends count for a minute, and nothing has grown before the first look" do
    now = System.monotonic_time(:millisecond)

    state =
      state(
        options: %{mode: :enforce},
        reading: %{memory: %{source: :machine}, limit: 10, line: 9},
        ends: [now - 1_000, now - 59_000, now - 61_000]
      )

    assert {:reply, %{ended: 2, grew: []}, _, _} = Server.handle_call(:status, self(), state)
  end

  test "what it does not understand does not end it" do
    root = FakeGroup.create(1024 * 1024 * 1024)
    watchdog = start_supervised!({Watchdog, root: root})
    assert GenServer.call(watchdog, :unknown) == {:error, :unknown_call}
    GenServer.cast(watchdog, :unknown)

    for message <- [:unknown, {:seen, :nothing, nil}, {:DOWN, make_ref(), :process, self(), :x}],
        do: send(watchdog, message)

    assert %{ended: 0} = Watchdog.status()
    assert Process.whereis(Watchdog) == watchdog
  end
end
