defmodule Quota.Watchdog.ImmunityTest do
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Census.Identity
  alias Quota.Watchdog.Immunity

  defp reason(pid, protect \\ [], alone \\ true),
    do: Immunity.reason(pid, Identity.of(pid, 0), protect, [self()], alone)

  test "ends no process that the node needs" do
    for name <- [:init, :application_controller, :code_server, :kernel_sup, :user] do
      assert reason(Process.whereis(name)) == :system
    end

    # Without an answer its name is enough.
    assert Immunity.reason(Process.whereis(:code_server), nil, [], [], true) == :system
    # Application masters have no name.
    assert {:dictionary, dictionary} = Process.info(Process.whereis(:kernel_sup), :dictionary)
    assert [master | _] = dictionary[:"$ancestors"]
    assert reason(master) == :system
  end

  test "ends no supervisor, and not itself" do
    {:ok, supervisor} = Supervisor.start_link([], strategy: :one_for_one)
    {:ok, dynamic} = DynamicSupervisor.start_link([])
    assert reason(supervisor) == :supervisor
    assert reason(dynamic) == :supervisor
    assert reason(self()) == :watchdog
  end

  test "ends a logger only where it grew alone" do
    logger = Process.whereis(:logger_proxy)
    assert reason(logger, [], false) == :logger
    assert reason(logger, [], true) == nil
  end

  test "ends nothing that protect: names" do
    {:ok, agent} = Agent.start_link(fn -> nil end, name: :immunity_test)
    assert reason(agent) == nil
    assert reason(agent, [:immunity_test]) == :protected
    assert reason(agent, [agent]) == :protected
    assert reason(agent, [{:ancestor, self()}]) == :protected
    assert reason(agent, [:other, self(), {:ancestor, :other}, {Other, :init, 1}]) == nil
    call = Identity.of(agent, 0).call
    assert reason(agent, [call]) == :protected
  end
end
