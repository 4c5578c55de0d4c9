defmodule Quota.Watchdog.QuotaTest do
  # What the caller gets of work that the watchdog ends. It looks at every process of the node, and its events have one handler.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  alias Bounded.Native
  alias Bounded.Test.FakeGroup
  alias Quota.Watchdog
  alias Quota.Watchdog.Census

  @moduletag :capture_log

  @mib 1024 * 1024
  @limit 1_024 * @mib
  @calm 770 * @mib
  @raised 785 * @mib
  @over 925 * @mib

  setup do: FakeGroup.watched(@limit, @calm, @raised)

  # Over its limit by its own account, while its guard does not come to look.
  defp over(test) do
    {account, _} = Native.own_account()
    guard = eventually(fn -> assert Native.account_guard(account) end)
    # It is at work: the reason for which this process ends is known to it.
    eventually(fn -> assert guard in elem(Process.info(self(), :monitored_by), 1) end)
    :erlang.suspend_process(guard)
    Native.own_observe(0, 200 * @mib)
    send(test, {:over, self()})
    Process.sleep(:infinity)
  end

  # The usage goes up and down until the watchdog has seen something of this kind grow, which it then has to end.
  defp rise(root, kind) do
    spawn_link(fn -> rise(root, kind, 1) end)
  end

  defp rise(root, kind, step) when step < 200 do
    if Enum.any?(Watchdog.status().grew, &(&1.kind == kind)) do
      FakeGroup.use_bytes(root, @over)
    else
      FakeGroup.use_bytes(root, @raised + rem(step, 10) * 9 * @mib)
      Process.sleep(50)
      rise(root, kind, step + 1)
    end
  end

  test "work over its limit has exceeded it, if the watchdog comes before the guard", %{
    root: root
  } do
    rise(root, :quota)
    test = self()

    assert {:error, %Quota.ExceededError{category: :binaries, limit: limit}} =
             Quota.try_run(Quota.mib(64), fn -> over(test) end, label: :late_guard)

    assert limit == Quota.mib(64)
    assert_received {:over, pid}

    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :ended, culprit: culprit}},
                   5_000

    assert %{kind: :quota, pid: ^pid} = culprit

    assert_receive {[:bounded, :quota, :breach], _, %{label: :late_guard, enforced: true}}
  end

  test "run/3 raises then", %{root: root} do
    rise(root, :quota)
    test = self()

    assert_raise Quota.ExceededError, fn -> Quota.run(Quota.mib(64), fn -> over(test) end) end
    assert_receive {[:bounded, :watchdog, :report], _, %{culprit: %{kind: :quota}}}
  end

  test "a process with put_limit/2 reports the breach then", %{root: root} do
    rise(root, :quota)
    test = self()

    pid =
      spawn(fn ->
        Quota.put_limit(Quota.mib(64), label: :limited)
        over(test)
      end)

    ref = Process.monitor(pid)
    assert_receive {:DOWN, ^ref, _, _, :killed}
    assert_receive {[:bounded, :quota, :breach], _, %{pid: ^pid, label: :limited}}
  end

  test "the caller of work within its limit exits, as with Task.await/2", %{root: root} do
    rise(root, :process)

    work = fn ->
      list = Enum.to_list(1..(30 * 45_000))
      Process.sleep(:infinity)
      list
    end

    assert {:killed, {Quota, :run, [_, ^work, []]}} = catch_exit(Quota.run(Quota.mib(512), work))

    assert_receive {[:bounded, :watchdog, :report], _, %{outcome: :ended}}
    refute_received {[:bounded, :quota, :breach], _, _}
  end

  # The quotas of a node are read in batches of some 250.
  test "quotas over their limits are seen among many others" do
    binary = :binary.copy(<<0>>, 2 * @mib)

    holders =
      for _ <- 1..600 do
        spawn_link(fn ->
          Quota.put_limit(Quota.mib(1), mode: :observe)
          Process.sleep(:infinity)
          byte_size(binary)
        end)
      end

    eventually(fn -> assert Enum.all?(holders, &Native.in_quota/1) end)
    eventually(fn -> assert length(Census.Summary.over_limit()) >= 600 end)
    for holder <- holders, do: Process.unlink(holder) && Process.exit(holder, :kill)
  end
end
