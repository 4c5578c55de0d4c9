defmodule Quota.Watchdog.Culprit do
  @moduledoc false
  # Chooses the culprit: the candidate that grew most since the node was calm. The copy that its next collection would make counts too.
  #
  # A candidate that grew little is never ended. When the culprit is dead, its memory takes a while to come back, and the process that is
  # largest then is a bystander.

  alias Quota.Watchdog.Census.{Identity, RestartAllowance}
  alias Quota.Watchdog.Immunity

  # A culprit grew by at least one part in this many of the limit, and of the growth of the node.
  @share_of_limit 48
  @share_of_growth 6
  # A group of processes is chosen only if it grew by this many times as much as its largest rival.
  @group_times 2

  @doc """
  Candidates that may end, worst first. `context` has `limit` (bytes), `grown` (bytes by which the node grew), `protect`, `own` (the
  watchdog's processes), `identities` by pid, `groups` (those of which members ended lately, `{when, identity}` by key), `ends`
  (`{supervisor, when}` of the children that the watchdog has ended), and `now` (milliseconds).
  """
  def choose(candidates, context) do
    smallest = max(div(context.limit, @share_of_limit), div(context.grown, @share_of_growth))

    candidates
    |> together()
    |> Enum.filter(&(score(&1) >= smallest))
    |> Enum.sort_by(&(-rank(&1)))
    |> allowed(context)
  end

  def score(candidate), do: candidate.grown + candidate.copy

  # A process over its own quota comes before everything else.
  defp rank(%{kind: :quota} = candidate), do: score(candidate) + Bitwise.bsl(1, 60)
  defp rank(%{kind: :group} = candidate), do: div(score(candidate), @group_times)
  defp rank(candidate), do: score(candidate)

  # The tables, persistent terms and port programs of a process count with it.
  defp together(candidates) do
    {groups, single} = Enum.split_with(candidates, &(&1.kind == :group))

    merged =
      single
      |> Enum.group_by(&{&1.pid, &1.kind == :quota})
      |> Enum.map(fn {_, same} ->
        largest = Enum.max_by(same, &score/1)

        %{
          largest
          | grown: Enum.sum(for c <- same, do: c.grown),
            copy: Enum.sum(for c <- same, do: c.copy),
            bytes: Enum.sum(for c <- same, do: c.bytes)
        }
      end)

    groups ++ merged
  end

  defp allowed([], _context), do: []

  defp allowed([first | rest], context) do
    alone = Enum.all?(rest, &(score(&1) * 2 <= score(first)))

    (may_end(first, context, alone) |> List.wrap()) ++
      Enum.flat_map(rest, &List.wrap(may_end(&1, context, false)))
  end

  defp may_end(%{kind: :group} = group, context, _alone) do
    siblings = siblings(group, context)
    start = {[], context.ends}
    {members, _} = Enum.reduce(group.members, start, &member(&1, &2, siblings, context))

    # No member has been identified yet: one of them ends, the youngest. The next decision knows the others.
    members = if siblings == [], do: Enum.take(members, -1), else: Enum.reverse(members)

    if members != [],
      do:
        Map.merge(group, %{members: Enum.map(members, &elem(&1, 0)), identities: Map.new(members)})
  end

  defp may_end(%{pid: pid} = candidate, context, alone) do
    identity = context.identities[pid]

    if Immunity.reason(pid, identity, context.protect, context.own, alone) == nil and
         Immunity.restartable?(identity, context.ends, context.now),
       do: Map.put(candidate, :identity, identity)
  end

  # Identities of the members that have answered. If none has, all may have been started since the last look: they are judged like a member
  # that ended lately, or by their parent.
  defp siblings(group, context) do
    case for pid <- group.members, identity = readable(context.identities[pid]), do: identity do
      [] -> group.key |> unasked(context) |> List.wrap()
      siblings -> siblings
    end
  end

  defp unasked(key, context) do
    case context.groups[key] do
      {_at, %{} = identity} -> identity
      _none -> child(key, context)
    end
  end

  # The identity of a child of a process that is no supervisor: nothing restarts it. Its initial call is not known, so it is judged only
  # where `protect` has no initial call.
  defp child({:parent, pid}, %{identities: identities, protect: protect}) do
    with %{supervisor?: false, ancestors: ancestors} <- readable(identities[pid]),
         false <- Enum.any?(protect, &match?({_, _, _}, &1)),
         do: %Identity{call: {:erlang, :apply, 2}, ancestors: [pid | ancestors]},
         else: (_ -> nil)
  end

  defp child(_call, _context), do: nil

  # Each member that ends counts for the next one: together they stay within their supervisor's restart intensity. A member that has not
  # answered yet may end only if each of its siblings could.
  defp member(pid, {members, ends}, siblings, context) do
    {identity, all} =
      case readable(context.identities[pid]) do
        nil -> {List.first(siblings), if(siblings == [], do: [nil], else: siblings)}
        known -> {known, [known]}
      end

    if Enum.all?(all, &allowed?(pid, &1, ends, context)),
      do: {[{pid, identity} | members], ended(identity, context.now) ++ ends},
      else: {members, ends}
  end

  @doc "The identity, or nil where its ancestors are unknown: before OTP 27 the dictionary of a large process cannot be read."
  def readable(%{call: {:proc_lib, :init_p, _}}), do: nil
  def readable(identity), do: identity

  defp allowed?(pid, identity, ends, context) do
    Immunity.reason(pid, identity, context.protect, context.own, false) == nil and
      Immunity.restartable?(identity, ends, context.now)
  end

  @doc "The restarts that ending `pids` of a candidate causes at `now`: `[{supervisor, now}]`."
  def restarts(candidate, pids, now) do
    identities = candidate[:identities] || %{candidate[:pid] => candidate[:identity]}
    Enum.flat_map(pids, &ended(identities[&1], now))
  end

  defp ended(%{allowance: %RestartAllowance{restart: restart, supervisor: supervisor}}, now)
       when restart != :temporary,
       do: [{supervisor, now}]

  defp ended(_identity, _now), do: []

  @doc """
  The processes that end for a candidate. Of a group: as many of the youngest as give back `need` bytes, or do not take them. `copies` are
  the bytes, by pid, that collections are about to take, which a process that ends does not take.
  """
  def pids(%{kind: :group} = group, need, copies) do
    each = max(div(group.grown, group.count), 1)

    group.members
    |> Enum.reduce_while({[], need}, fn
      _pid, {[_ | _], need} = enough when need < 0 -> {:halt, enough}
      pid, {pids, need} -> {:cont, {[pid | pids], need - each - Map.get(copies, pid, 0)}}
    end)
    |> elem(0)
    |> Enum.reverse()
  end

  def pids(%{pid: pid}, _need, _copies), do: [pid]
end
