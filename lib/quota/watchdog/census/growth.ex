defmodule Quota.Watchdog.Census.Growth do
  @moduledoc false
  # What grew since the node was last calm: processes, and groups of processes that have one parent or one initial call.
  #
  # A pass adds every process. A pass while the node is calm becomes the baseline of those that follow. A baseline keeps only processes of
  # at least `smallest` bytes, and the sums of groups: it stays small on a node with many processes.
  #
  #   * `processes`, `groups`, `binaries`: the baseline, in bytes by pid and by group, and the binaries of all processes
  #   * `pass`: the pass that is under way; `seen`, `sum`: groups and binaries of the last complete one
  #   * `suspects`: `ProcessFigures` by pid of the processes that grew most or have the longest mailboxes

  alias Quota.Watchdog.Census.ProcessFigures

  defstruct smallest: 65_536,
            processes: %{},
            groups: %{},
            binaries: 0,
            suspects: %{},
            pass: nil,
            seen: %{},
            sum: 0

  # The number of suspects, which are measured at each look: those that grew most, and besides them those with the longest mailboxes.
  @suspects 12
  @queues 4
  # Messages from which on a process is a suspect.
  @queued 32
  # The number of members of a group that are kept, the youngest. Collected up to `@most_members`, then the older ones are dropped.
  @members 256
  @most_members 1_024

  @doc "`limit` is the node's, in bytes. Smaller processes than a part of it, and smaller growth, are not noted."
  def new(limit), do: %__MODULE__{smallest: max(div(limit, 4_096), 4_096)}

  @doc "Messages from which on a mailbox is long."
  def queued, do: @queued

  @doc "Begins a pass over all processes."
  def begin(growth), do: %{growth | pass: %{groups: %{}, processes: %{}, binaries: 0}}

  @doc "Adds the figures of a process to the pass, and to the suspects if it grew."
  def add(growth, figures) do
    pass = growth.pass
    bytes = figures.bytes

    processes =
      if bytes >= growth.smallest,
        do: Map.put(pass.processes, figures.pid, bytes),
        else: pass.processes

    groups =
      figures
      |> keys()
      |> Enum.reduce(pass.groups, fn key, groups ->
        Map.update(groups, key, {1, bytes, [figures.pid], bytes}, &join(&1, figures))
      end)

    pass = %{
      pass
      | processes: processes,
        groups: groups,
        binaries: pass.binaries + figures.binaries
    }

    suspect(%{growth | pass: pass}, figures)
  end

  @doc "Keeps the baseline of a running process, which cannot be added to the pass."
  def keep(%{pass: pass} = growth, pid) do
    case growth.processes do
      %{^pid => bytes} ->
        %{growth | pass: %{pass | processes: Map.put(pass.processes, pid, bytes)}}

      _ ->
        growth
    end
  end

  @doc "Adds a process that has answered late to the baseline of the last calm pass."
  def baseline(%{smallest: smallest} = growth, %{bytes: bytes}) when bytes < smallest, do: growth

  def baseline(growth, %{bytes: bytes} = figures) do
    groups =
      figures
      |> keys()
      |> Enum.reduce(growth.groups, fn key, groups ->
        Map.update(groups, key, bytes, &(&1 + bytes))
      end)

    %{growth | groups: groups, processes: Map.put(growth.processes, figures.pid, bytes)}
  end

  defp join({count, bytes, members, largest}, figures) do
    members = [figures.pid | members]
    members = if rem(count, @most_members) == 0, do: youngest(members), else: members
    {count + 1, bytes + figures.bytes, members, max(largest, figures.bytes)}
  end

  # Pids are in the order of their starts, until their numbers begin anew after some hundred million processes.
  defp youngest(members), do: members |> Enum.sort(:desc) |> Enum.take(@members)

  defp keys(%{parent: parent, call: call}) do
    for({:parent, pid} when is_pid(pid) <- [{:parent, parent}], do: {:parent, pid}) ++
      for(
        {module, _, _} = call when module not in [:erlang, :proc_lib] <- [call],
        do: {:call, call}
      )
  end

  @doc "Ends the pass. With `calm` it becomes the baseline."
  def finish(%{pass: pass} = growth, calm) do
    growth = %{growth | seen: pass.groups, sum: pass.binaries, pass: nil}

    if calm do
      groups =
        for {key, {_count, bytes, _members, _largest}} <- pass.groups,
            bytes >= growth.smallest,
            into: %{},
            do: {key, bytes}

      rebase(%{growth | processes: pass.processes, groups: groups, binaries: pass.binaries})
    else
      growth
    end
  end

  # No process has grown since the new baseline, so none is a suspect.
  defp rebase(growth), do: %{growth | suspects: %{}}

  @doc "Notes the figures of a suspect, or of a process that becomes one if it grew or has a long mailbox."
  def suspect(growth, figures) do
    before = growth.suspects[figures.pid]
    figures = ProcessFigures.foresee(figures, before)
    before_bytes = Map.get(growth.processes, figures.pid, 0)

    if before != nil or figures.bytes - before_bytes >= growth.smallest or
         figures.queue >= @queued,
       do: prune(%{growth | suspects: Map.put(growth.suspects, figures.pid, figures)}),
       else: growth
  end

  defp prune(%{suspects: suspects} = growth) when map_size(suspects) <= 2 * @suspects, do: growth

  defp prune(%{suspects: suspects} = growth) do
    grown =
      suspects |> Map.values() |> Enum.sort_by(&(-grown(growth, &1))) |> Enum.take(@suspects)

    queues = suspects |> Map.values() |> Enum.sort_by(&(-&1.queue)) |> Enum.take(@queues)
    %{growth | suspects: Map.new(grown ++ queues, &{&1.pid, &1})}
  end

  @doc "Forgets the figures of groups, because members were ended."
  def forget_groups(growth), do: %{growth | seen: %{}, pass: nil}

  @doc "Makes a process no suspect any more."
  def forget(growth, pid), do: %{growth | suspects: Map.delete(growth.suspects, pid)}

  @doc "Bytes by which a process grew since the node was calm."
  def grown(growth, figures),
    do: max(figures.bytes - Map.get(growth.processes, figures.pid, 0), 0)

  @doc """
  Groups of at least four processes that grew by at least `smallest` bytes: `[{key, grown, count, members}]`, youngest members first.
  The largest member is left out of `grown`.
  """
  def groups(growth, smallest) do
    seen =
      if growth.pass,
        do:
          Map.merge(growth.seen, growth.pass.groups, fn _, a, b ->
            if elem(a, 1) > elem(b, 1), do: a, else: b
          end),
        else: growth.seen

    for {key, {count, bytes, members, largest}} <- seen,
        count >= 4,
        # Without its largest member, a group in which one process grew alone has not grown.
        grown = bytes - largest - Map.get(growth.groups, key, 0),
        grown >= smallest,
        do: {key, grown, count, members |> youngest()}
  end

  @doc "Bytes by which the binaries of all processes grew since the node was calm."
  def binaries(growth), do: max(growth.sum - growth.binaries, 0)

  @doc "Bytes that the next collection of each suspect is about to take, by pid, if any."
  def copies(growth),
    do: for({pid, %{copy: copy}} when copy > 0 <- growth.suspects, into: %{}, do: {pid, copy})

  @doc "The sum of `copies/1`."
  def pending(growth),
    do: growth.suspects |> Map.values() |> Enum.reduce(0, &(&1.copy + &2))
end
