defmodule Quota.Watchdog.Decision.FamilyTest do
  # Many processes of one parent. The watchdog looks at every process of the node, and its events have one handler.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  alias Bounded.Test.FakeGroup
  alias Quota.Watchdog

  @moduletag :capture_log

  @mib 1024 * 1024
  @limit 1_024 * @mib
  @calm 770 * @mib
  # More than 85 % of the line.
  @raised 785 * @mib
  # Above the line of 0.9, by little.
  @over 925 * @mib

  setup do: FakeGroup.watched(@limit, @calm, @raised)

  defp dead(pid), do: eventually(fn -> refute Process.alive?(pid) end)

  test "ends the youngest of many processes with one parent", %{root: root} do
    {parent, children} = family(root)

    # In steps: of a usage that jumps, more children would end, and their parent.
    Enum.find((@raised + 30 * @mib)..@over//2 * @mib, fn bytes ->
      FakeGroup.use_bytes(root, bytes)
      Process.sleep(50)
      not Process.alive?(List.last(children))
    end)

    dead(List.last(children))

    # One of them may be the process that grew most by itself.
    assert_receive {[:bounded, :watchdog, :report], _, %{culprit: %{kind: :group, count: count}}}
                   when count in [39, 40],
                   5_000

    assert Process.alive?(hd(children))
    assert Process.alive?(parent)
  end

  test "ends their parent as well where that leaves no time", %{root: root} do
    {parent, children} = family(root)
    FakeGroup.use_bytes(root, @over)
    dead(parent)
    dead(List.last(children))
    assert %{ended: 1} = Watchdog.status()
  end

  # A process with its children, which have grown and been seen.
  defp family(root) do
    test = self()

    parent =
      spawn(fn ->
        children = for _ <- 1..40, do: grown_child()
        send(test, {:children, children})
        Process.sleep(:infinity)
      end)

    on_exit(fn -> Process.exit(parent, :kill) end)
    assert_receive {:children, children}

    # It looks at processes while the usage rises.
    assert Enum.any?(1..30, fn mib ->
             FakeGroup.use_bytes(root, @raised + mib * @mib)
             Process.sleep(100)
             all_seen?(parent, children)
           end)

    {parent, children}
  end

  # The largest does not count: one that grew alone is no group.
  defp all_seen?(parent, children) do
    sizes = for child <- children, {:memory, size} <- [Process.info(child, :memory)], do: size
    seen = Enum.find(Watchdog.status().grew, &(&1[:key] == {:parent, parent}))
    seen != nil and seen.grown > 0.97 * (Enum.sum(sizes) - Enum.max(sizes))
  end

  defp grown_child do
    parent = self()

    child =
      spawn(fn ->
        # The copies that collections of all of them would make fit below the line.
        list = Enum.to_list(1..131_072)
        :erlang.garbage_collect()
        ref = Process.monitor(parent)
        send(parent, {:ready, self()})
        receive(do: ({:DOWN, ^ref, _, _, _} -> list))
      end)

    receive(do: ({:ready, ^child} -> child))
  end
end
