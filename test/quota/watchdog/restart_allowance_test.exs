defmodule Quota.Watchdog.RestartAllowanceTest do
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Census.RestartAllowance
  alias Quota.Watchdog.Immunity

  defp child(id, restart),
    do: Supervisor.child_spec({Agent, fn -> nil end}, id: id, restart: restart)

  test "reads how often a supervisor may restart a child, and leaves its state as it is" do
    children = [child(:kept, :permanent), child(:once, :temporary)]
    options = [strategy: :one_for_one, max_restarts: 2, max_seconds: 60]
    {:ok, supervisor} = Supervisor.start_link(children, options)
    before = :sys.get_state(supervisor)
    pids = for {id, pid, _, _} <- Supervisor.which_children(supervisor), into: %{}, do: {id, pid}

    assert %{supervisor: ^supervisor, restart: :permanent, most: 2, seconds: 60, recent: 0} =
             RestartAllowance.of([supervisor], pids.kept)

    assert %{restart: :temporary} = RestartAllowance.of([supervisor], pids.once)
    assert :sys.get_state(supervisor) == before
  end

  test "counts restarts that happened" do
    options = [strategy: :one_for_one, max_restarts: 5, max_seconds: 60]
    {:ok, supervisor} = Supervisor.start_link([child(:kept, :permanent)], options)
    [{_, pid, _, _}] = Supervisor.which_children(supervisor)
    ref = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^ref, _, _, :killed}
    # The supervisor has restarted it when it answers.
    [{_, pid, _, _}] = Supervisor.which_children(supervisor)
    assert %{recent: 1} = RestartAllowance.of([supervisor], pid)
  end

  test "reads a DynamicSupervisor" do
    {:ok, supervisor} = DynamicSupervisor.start_link(max_restarts: 7, max_seconds: 9)
    {:ok, pid} = DynamicSupervisor.start_child(supervisor, child(:any, :transient))

    assert %{restart: :transient, most: 7, seconds: 9} = RestartAllowance.of([supervisor], pid)
  end

  test "is one child of a supervisor that does not answer" do
    {:ok, supervisor} =
      Supervisor.start_link([child(:kept, :permanent)], strategy: :one_for_one, max_restarts: 9)

    :erlang.suspend_process(supervisor)

    assert %{supervisor: ^supervisor, most: 1, restart: nil} =
             RestartAllowance.least([supervisor])

    assert RestartAllowance.of([supervisor], self()) == RestartAllowance.least([supervisor])
    :erlang.resume_process(supervisor)
    assert %{most: 9} = RestartAllowance.of([supervisor], self())
  end

  test "is nil where the first ancestor is no supervisor" do
    assert RestartAllowance.of([self()], self()) == nil
    assert RestartAllowance.of([], self()) == nil
    assert RestartAllowance.of([:no_such_name], self()) == nil
    # What a process keeps in its dictionary may be anything.
    assert RestartAllowance.of(["name"], self()) == nil
  end

  test "of a state that no known release has, takes the default of supervisors" do
    for state <- [%{children: nil}, {:state, 1}, nil] do
      assert RestartAllowance.read(state, self(), 0) == {:permanent, 3, 5, 0}
    end

    unknown = {:state, :name, :one_for_one, :children, :dynamics, 7, 60, :restarts, 0, :m, :a}
    assert RestartAllowance.read(unknown, self(), 0) == {:permanent, 7, 60, 0}
  end

  test "lets children end as often as their supervisor survives" do
    allowance = %RestartAllowance{supervisor: self(), restart: :permanent, most: 2, seconds: 5}
    identity = %{allowance: allowance}
    now = 1_000_000
    assert Immunity.restartable?(identity, [], now)
    assert Immunity.restartable?(identity, [{self(), now - 100}], now)
    refute Immunity.restartable?(identity, [{self(), now - 100}, {self(), now - 200}], now)
    # Long ago, and of another supervisor.
    assert Immunity.restartable?(identity, [{self(), now - 6_000}, {self(), now - 7_000}], now)
    assert Immunity.restartable?(identity, [{:other, now}, {:other, now}], now)
    temporary = %{allowance: %{allowance | restart: :temporary}}
    assert Immunity.restartable?(temporary, [{self(), now}, {self(), now}], now)
  end
end
