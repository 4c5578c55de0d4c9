defmodule Quota.Watchdog.Census.Summary do
  @moduledoc false
  # What the census reports to the watchdog: candidates, worst first, and the bytes that collections are about to take.

  alias Bounded.Native
  alias Quota.Watchdog.Census.{Arrivals, Ets, Growth, Ports}

  # The number of candidates that are reported.
  @reported 12
  # Milliseconds for which quotas are read in one look.
  @quotas_ms 3
  # Messages from which on a mailbox is given binaries that nothing else holds. In doubt, as many must have arrived.
  @queued Growth.queued()
  # Milliseconds for which a binary that is being made is held by no process, such as that of a file while it is read.
  @made_ms 100

  @doc """
  Bytes of binaries that grew and that no process has held for #{@made_ms} milliseconds: those in mailboxes and tables, and not those that
  are being made.
  """
  def loose(%{unheld: []}), do: 0
  def loose(%{unheld: unheld}), do: unheld |> Enum.map(&elem(&1, 1)) |> Enum.min()

  @doc "Notes the bytes of binaries that grew and that no process holds at `now` (milliseconds)."
  def unheld(state, now \\ now())
  def unheld(%{totals: nil} = state, _now), do: state
  def unheld(%{before: nil} = state, _now), do: state

  def unheld(state, now) do
    held =
      Enum.reduce(state.growth.suspects, 0, fn {_, figures}, sum -> sum + figures.binaries end)

    grown = state.totals.binary - state.before.binary
    bytes = max(grown - max(held, Growth.binaries(state.growth)), 0)
    recent = Enum.take_while(state.unheld, fn {at, _} -> now - at <= @made_ms end)
    %{state | unheld: [{now, bytes} | recent]}
  end

  @doc """
  Notes the memory of the whole node, by kind: who wrote new persistent terms, and the binaries that no process holds. The first
  totals, which arrive after the first calm look, are those before anything grew.
  """
  def note_totals(state, totals) do
    unheld(%{credit(state, totals) | totals: totals, before: state.before || totals})
  end

  # Attributes new persistent terms, which have no owner, to a writer. The VM copies them from the writer's heap, so the suspect that
  # allocates fastest while they grow is taken for it, apart from the watchdog's processes, which allocate while they look.
  defp credit(%{totals: %{persistent: before}} = state, %{persistent: now}) when now > before do
    others = Map.drop(state.growth.suspects, [self(), state.server])

    case Enum.max_by(others, fn {_, figures} -> figures.rate end, fn -> nil end) do
      {pid, _} ->
        %{state | writers: Map.update(state.writers, pid, now - before, &(&1 + now - before))}

      nil ->
        state
    end
  end

  defp credit(state, _totals), do: state

  @doc "The summary by which the watchdog decides. `cost` are the microseconds that the look took."
  def new(state, cost) do
    smallest = state.growth.smallest * 8
    loose = loose(state)
    groups = Growth.groups(state.growth, smallest)
    doubted = doubted?(state, groups, loose)
    grown_tables = Ets.grown(state.tables, loose, doubted)
    queued = queued(state, loose - held_by(grown_tables), doubted)

    processes =
      for {pid, figures} <- state.growth.suspects do
        {mailbox, _} = Map.get(queued, pid, {0, 0})
        grown = Growth.grown(state.growth, figures)

        %{
          kind: :process,
          pid: pid,
          grown: grown + mailbox,
          copy: figures.copy,
          bytes: figures.bytes + mailbox,
          mailbox: mailbox,
          queue: figures.queue,
          parent: figures.parent,
          call: figures.call
        }
      end

    groups =
      for {key, grown, count, members} <- groups,
          do: %{
            kind: :group,
            key: key,
            grown: grown,
            copy: 0,
            bytes: grown,
            count: count,
            members: members
          }

    tables =
      for {grown, owner, table} <- grown_tables,
          grown >= smallest,
          do: %{
            kind: :table,
            pid: owner,
            grown: grown,
            copy: 0,
            bytes: table.bytes + table.binaries,
            table: table
          }

    writers =
      for {pid, bytes} <- state.writers,
          bytes >= smallest,
          Process.alive?(pid),
          do: %{kind: :persistent_terms, pid: pid, grown: bytes, copy: 0, bytes: bytes}

    programs =
      for {grown, pid, bytes} <- Ports.grown(state.ports, smallest),
          do: %{kind: :port, pid: pid, grown: grown, copy: 0, bytes: bytes}

    %{
      at: now(),
      cost: cost,
      pending: Growth.pending(state.growth),
      copies: Growth.copies(state.growth),
      totals: state.totals,
      before: state.before,
      identities: state.identities,
      candidates:
        (processes ++ groups ++ tables ++ writers ++ programs ++ over_limit())
        |> Enum.sort_by(&(-(&1.grown + &1.copy)))
        |> Enum.take(@reported)
    }
  end

  @doc """
  Processes over their own limits. The guard of each ends it, unless the guard comes late. Some 250 quotas are read at once, and as many
  as can be within #{@quotas_ms} milliseconds.
  """
  def over_limit(from \\ 0, until \\ now() + @quotas_ms) do
    {quotas, next} = Native.quotas(from)

    over =
      for {pid, _caller, limit, _age, {{_, _, _, _, total, _}, _}, _label} <- quotas,
          total > limit,
          do: %{kind: :quota, pid: pid, grown: total, copy: 0, bytes: total}

    if next && now() < until, do: over ++ over_limit(next, until), else: over
  end

  defp now, do: System.monotonic_time(:millisecond)

  # Whether binaries that no process holds need not be in mailboxes and tables: a process or a group grew by more than them, and may be
  # making them.
  defp doubted?(state, groups, loose) do
    processes = for {_, figures} <- state.growth.suspects, do: Growth.grown(state.growth, figures)
    groups = for {_, grown, _, _} <- groups, do: grown
    Enum.any?(processes ++ groups, &(&1 > loose))
  end

  defp held_by(tables), do: Enum.sum(for {grown, _, _} <- tables, do: grown)

  # `{bytes, queue}` of measured mailboxes. The `rest` of the binaries, which neither a process nor a table holds, is in messages: the
  # longest mailbox is given it. In doubt, messages must be arriving in it.
  defp queued(state, rest, doubted) do
    now = now()

    longest =
      state.growth.suspects
      |> Map.values()
      |> Enum.filter(fn %{pid: pid, queue: queue} ->
        queue >= @queued and
          (not doubted or Arrivals.lately?(state.arrivals, pid, @queued, now))
      end)
      |> Enum.max_by(& &1.queue, fn -> %{pid: nil} end)

    Map.new(state.mailboxes, fn {pid, {queue, bytes}} ->
      share = if pid == longest.pid, do: max(rest, 0), else: 0
      {pid, {bytes + share, queue}}
    end)
  end
end
