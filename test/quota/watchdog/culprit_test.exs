defmodule Quota.Watchdog.CulpritTest do
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Census.{Identity, RestartAllowance}
  alias Quota.Watchdog.Culprit

  @mib 1024 * 1024

  defp process(mib, fields \\ %{}) do
    pid = spawn_link(fn -> Process.sleep(:infinity) end)
    candidate = %{kind: :process, pid: pid, grown: mib * @mib, copy: 0, bytes: mib * @mib}
    Map.merge(candidate, fields)
  end

  defp group(count) do
    members = for _ <- 1..count, do: process(1).pid
    grown = count * @mib
    key = {:parent, self()}

    %{
      kind: :group,
      key: key,
      grown: grown,
      copy: 0,
      bytes: grown,
      count: count,
      members: members
    }
  end

  defp identity(fields \\ []),
    do: struct!(%Identity{call: {:erlang, :apply, 2}, ancestors: []}, fields)

  defp supervised(supervisor, restart, most) do
    allowance = %RestartAllowance{
      supervisor: supervisor,
      restart: restart,
      most: most,
      seconds: 5
    }

    identity(ancestors: [supervisor], allowance: allowance)
  end

  defp choose(candidates, fields \\ %{}) do
    context = %{
      limit: 256 * @mib,
      grown: 60 * @mib,
      protect: [],
      own: [],
      identities: %{},
      groups: %{},
      ends: [],
      now: 1_000_000
    }

    Culprit.choose(candidates, Map.merge(context, fields))
  end

  test "what grew most comes first, and what grew little never ends" do
    [small, large, least] = [process(20), process(30), process(9)]
    assert Enum.map(choose([small, least, large]), & &1.pid) == [large.pid, small.pid]
  end

  test "a quota over its limit comes before what grew more" do
    [quota, large] = [process(20), process(100)]
    assert hd(choose([quota, large])).pid == large.pid
    assert [%{kind: :quota}, %{kind: :process}] = choose([large, %{quota | kind: :quota}])
  end

  test "a quota over its limit is not added to what its process holds anyway" do
    held = process(20)
    assert [first, second] = choose([held, %{held | kind: :quota}])
    assert first.grown == second.grown
  end

  test "a group ends where it grew more than twice as much as one process" do
    assert [%{kind: :group} | _] = choose([process(14), group(30)])
    assert [%{kind: :process} | _] = choose([process(16), group(30)])
  end

  describe "members of a group" do
    test "end as often as their supervisor survives" do
      group = group(30)
      supervisor = process(1).pid
      identities = Map.new(group.members, &{&1, supervised(supervisor, :permanent, 4)})
      assert [chosen] = choose([group], %{identities: identities})
      assert chosen.members == Enum.take(group.members, 4)
      pids = Culprit.pids(chosen, 100 * @mib, %{})
      assert length(pids) == 4
      assert Culprit.restarts(chosen, pids, 7) == List.duplicate({supervisor, 7}, 4)

      # Others ended before them.
      ends = List.duplicate({supervisor, 999_000}, 3)
      assert [%{members: [_]}] = choose([group], %{identities: identities, ends: ends})

      assert choose([group], %{identities: identities, ends: [{supervisor, 999_000} | ends]}) ==
               []
    end

    test "all end where they are not restarted" do
      group = group(30)
      identities = Map.new(group.members, &{&1, supervised(self(), :temporary, 4)})
      assert [chosen] = choose([group], %{identities: identities})
      assert chosen.members == group.members
      assert Culprit.restarts(chosen, chosen.members, 7) == []
    end

    test "that have not been asked are judged as their siblings" do
      %{members: [first | _]} = group = group(30)
      identities = %{first => supervised(self(), :transient, 2)}
      assert [chosen] = choose([group], %{identities: identities})
      assert length(chosen.members) == 2

      # Of this one the dictionary could not be read.
      unread = identity(call: {:proc_lib, :init_p, 5})
      identities = Map.put(identities, List.last(group.members), unread)
      assert [%{members: members}] = choose([group], %{identities: identities})
      assert members == chosen.members

      protected = %{identities: %{first => identity(ancestors: [self()])}}
      assert choose([group], Map.put(protected, :protect, [{:ancestor, self()}])) == []
      assert [_] = choose([group], Map.put(protected, :protect, [{:ancestor, first}]))
    end

    test "none of which has been asked end one by one" do
      assert [%{members: [first]} = chosen] = choose([group = group(30)])
      assert first == hd(group.members)
      assert Culprit.pids(chosen, 100 * @mib, %{}) == [first]
    end

    # Of a group that goes on growing, those that are youngest at the second act were started since the first.
    test "are judged as one that has ended, where none of them has been asked" do
      group = group(30)
      groups = &%{groups: %{group.key => {7, &1}}}
      assert [%{members: members}] = choose([group], groups.(identity()))
      assert members == group.members
      assert [%{members: members}] = choose([group], groups.(supervised(self(), :permanent, 3)))
      assert members == Enum.take(group.members, 3)
      assert [%{members: [_]}] = choose([group], groups.(nil))
    end

    test "are judged by their parent, where it is no supervisor" do
      group = group(30)
      parent = &%{identities: %{self() => &1}}
      assert [%{members: members}] = choose([group], parent.(identity()))
      assert members == group.members
      assert [%{members: [_]}] = choose([group], parent.(identity(supervisor?: true)))
      # What they were started for is not known.
      protected = &Map.put(parent.(identity(ancestors: [:above])), :protect, [&1])
      assert [%{members: [_]}] = choose([group], protected.({Some, :init, 1}))
      assert [] == choose([group], protected.({:ancestor, :above}))
      assert [] == choose([group], protected.({:ancestor, self()}))
    end

    # All of a group ended where a forecast said that they were about to take memory, though one would have been enough.
    test "give back what their collections would have taken too" do
      group = group(30)
      assert Culprit.pids(group, 10 * @mib, %{}) == Enum.take(group.members, 11)
      copies = Map.new(group.members, &{&1, 2 * @mib})
      assert Culprit.pids(group, 10 * @mib, copies) == Enum.take(group.members, 4)
      assert Culprit.pids(group, -1, copies) == Enum.take(group.members, 1)
    end

    test "that are supervisors do not end" do
      %{members: [first | rest]} = group = group(30)
      identities = Map.new(rest, &{&1, identity()})
      identities = Map.put(identities, first, identity(supervisor?: true))
      assert [%{members: ^rest}] = choose([group], %{identities: identities})
    end
  end
end
