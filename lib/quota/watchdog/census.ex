defmodule Quota.Watchdog.Census do
  @moduledoc false
  # The process that measures all others for the watchdog, which must never wait for an answer. It looks when the watchdog asks for it:
  #
  #   * a *calm* look is one pass over all processes, with pauses. Its figures are the baseline for growth
  #   * any other look measures the suspects (processes that grew most or have long mailboxes), then as many other processes as it has time
  #     for. The next look goes on from there
  #
  # The census never waits for a running process: another process asks it, see `ProcessFigures.ask/1`.

  alias Quota.Watchdog.Census.{Arrivals, Ets, Growth, Identity, Ports, ProcessFigures}
  alias Quota.Watchdog.Census.Summary
  alias Quota.Watchdog.Limits

  defstruct [
    :server,
    :limit,
    :growth,
    :tables,
    :pids,
    :totals,
    :before,
    limits: %{},
    identities: %{},
    ports: %Ports{},
    writers: %{},
    asked: %{},
    mailboxes: %{},
    arrivals: %{},
    unheld: [],
    waiting_for_totals: false,
    cost: 0
  ]

  # Processes that are measured without a pause: about a quarter of a millisecond.
  @part 100
  # Microseconds that a look which is not calm spends on processes that are no suspects.
  @budget_us 2_000
  # Microseconds for which such a look then waits for answers of running processes.
  @answers_us 1_500
  # The number of groups, those that grew most, whose members are identified, and the number of members of each.
  @groups 3
  @members 16
  # A process that ran at a calm look becomes a part of the baseline if it answers within this many microseconds.
  @late_us 10_000
  # Messages from which on those of a mailbox are added up.
  @queued Growth.queued()
  # A question is asked again after this many microseconds.
  @patience_us 20_000

  def start_link(limit) do
    server = self()

    :erlang.spawn_opt(
      fn ->
        loop(%__MODULE__{
          server: server,
          limit: limit,
          growth: Growth.new(limit),
          tables: %Ets{}
        })
      end,
      [
        :link,
        priority: :max,
        message_queue_data: :off_heap,
        min_heap_size: 40_000,
        max_heap_size: 0,
        fullsweep_after: 20
      ]
    )
  end

  @doc "Asks for a look, the `number`th. The census then sends `{:seen, number, summary}` to the watchdog: `Summary.new/2`."
  def look(census, number, calm), do: send(census, {:look, number, calm})

  @doc "Tells the census which processes were ended, so that they are suspects no more."
  def ended(census, pids), do: send(census, {:ended, pids})

  defp loop(state) do
    receive do
      {:look, number, calm} ->
        started = now()
        Limits.names(state.limits)
        state = if calm, do: calm_look(state), else: look(state)
        cost = now() - started
        send(state.server, {:seen, number, Summary.new(state, cost)})
        loop(state)

      message ->
        message |> answered(state) |> loop()
    end
  end

  # Handles the answers that have arrived, without waiting.
  defp drain(state) do
    receive do
      {:figures, _, _} = message -> message |> answered(state) |> drain()
      {:baseline, _, _} = message -> message |> answered(state) |> drain()
      {:matched, _, _, _} = message -> message |> answered(state) |> drain()
      {:mailbox, _, _, _} = message -> message |> answered(state) |> drain()
      {:sampled, _, _, _} = message -> message |> answered(state) |> drain()
      {:totals, _} = message -> message |> answered(state) |> drain()
      {:ports, _} = message -> message |> answered(state) |> drain()
      {:identity, _, _} = message -> message |> answered(state) |> drain()
      {:ended, _} = message -> message |> answered(state) |> drain()
    after
      0 -> state
    end
  end

  defp answered({:figures, pid, nil}, state),
    do: %{state | growth: Growth.forget(state.growth, pid), asked: Map.delete(state.asked, pid)}

  defp answered({:figures, pid, figures}, state),
    do: %{
      state
      | growth: Growth.suspect(state.growth, figures),
        asked: Map.delete(state.asked, pid)
    }

  defp answered({:baseline, _pid, nil}, state), do: state

  defp answered({:baseline, _pid, figures}, state),
    do: %{state | growth: Growth.baseline(state.growth, figures)}

  # Only for the present limits: an answer for earlier ones matches the last clause, and is dropped.
  defp answered({:matched, limits, pid, found}, %{limits: limits} = state) do
    Limits.matched(pid, found)
    state
  end

  defp answered({:mailbox, pid, queue, bytes}, state),
    do: %{state | mailboxes: Map.put(state.mailboxes, pid, {queue, bytes})}

  defp answered({:sampled, table, rows, estimate}, state),
    do: %{state | tables: Ets.sampled(state.tables, table, rows, estimate)}

  defp answered({:ports, programs}, state),
    do: %{state | ports: Ports.answered(state.ports, programs)}

  defp answered({:totals, totals}, state),
    do: Summary.note_totals(%{state | waiting_for_totals: false}, totals)

  defp answered({:identity, pid, nil}, state),
    do: %{state | identities: Map.delete(state.identities, pid)}

  defp answered({:identity, pid, identity}, state),
    do: %{state | identities: Map.put(state.identities, pid, identity)}

  defp answered({:ended, pids}, state) do
    growth = Enum.reduce(pids, Growth.forget_groups(state.growth), &Growth.forget(&2, &1))
    %{state | growth: growth, pids: nil}
  end

  defp answered({:limits, limits, from}, state), do: %{state | limits: changed(limits, from)}

  defp answered(_other, state), do: state

  # After the reply no process gets a limit that was replaced: `Quota.Watchdog.limit/2` promises that.
  defp changed(limits, from) do
    Limits.reset()
    GenServer.reply(from, :ok)
    limits
  end

  # One pass over everything, in parts, with a pause after each.
  defp calm_look(state) do
    state = state |> drain() |> totals() |> ports()
    growth = Growth.begin(state.growth)
    {growth, limits} = everyone(:erlang.processes(), growth, state.limits)
    if limits != %{}, do: Limits.prune()

    state = %{
      state
      | growth: Growth.finish(growth, true),
        limits: limits,
        pids: nil,
        mailboxes: %{},
        arrivals: %{},
        unheld: [],
        asked: %{},
        writers: %{}
    }

    state = %{state | tables: Ets.look(state.tables, true)}
    state = drain(state)
    %{state | before: state.totals, ports: state.ports |> Ports.await() |> Ports.calm()}
  end

  defp ports(state),
    do: %{state | ports: Ports.ask(state.ports, System.monotonic_time(:millisecond))}

  defp everyone(pids, growth, limits) do
    {part, rest} = Enum.split(pids, @part)
    growth = Enum.reduce(part, growth, &glance(&1, &2, limits))

    if rest == [] do
      {growth, limits}
    else
      receive do
        {:limits, limits, from} -> everyone(rest, growth, changed(limits, from))
      after
        1 -> everyone(rest, growth, limits)
      end
    end
  end

  # A process that runs, as a busy one mostly does, keeps its baseline of the last pass until it answers: without one, all that it has held
  # for long would count as grown.
  defp glance(pid, growth, limits) do
    case ProcessFigures.glance(pid) do
      %ProcessFigures{} = figures ->
        Limits.match(limits, figures)
        Growth.add(growth, figures)

      :runs ->
        ProcessFigures.ask_soon(pid, @late_us)
        Limits.ask(limits, pid)
        Growth.keep(growth, pid)

      nil ->
        growth
    end
  end

  defp look(state) do
    state
    |> drain()
    |> totals()
    |> ports()
    |> suspects()
    |> tables()
    |> parts(now() + @budget_us)
    |> await(now() + @answers_us)
    |> identify()
  end

  # Waits for answers of running processes: most come after one timeslice.
  defp await(state, until) do
    state = drain(state)

    if state.asked == %{} or now() >= until do
      state
    else
      receive do
        {:figures, _, _} = message -> message |> answered(state) |> await(until)
      after
        1 -> await(state, until)
      end
    end
  end

  # Asks for the identities of suspects, of the youngest members of groups, and of the parents of groups, which may cause the growth.
  defp identify(state) do
    suspects = for {pid, figures} <- state.growth.suspects, do: {pid, figures.bytes}
    groups = Growth.groups(state.growth, state.growth.smallest * 8)
    parents = for {{:parent, pid}, _, _, _} <- groups, do: {pid, 0}

    members =
      for {_, grown, count, members} <-
            Enum.sort_by(groups, &(-elem(&1, 1))) |> Enum.take(@groups),
          pid <- Enum.take(members, @members),
          do: {pid, div(grown, count)}

    wanted = Map.new(parents ++ members ++ suspects)
    known = Map.take(state.identities, Map.keys(wanted))

    asked =
      for {pid, bytes} <- wanted, not is_map_key(known, pid), into: known do
        Identity.ask(pid, bytes)
        {pid, nil}
      end

    %{state | identities: asked}
  end

  defp suspects(state) do
    pids = Map.keys(state.growth.suspects)
    Enum.reduce(pids, %{state | arrivals: Arrivals.keep(state.arrivals, pids)}, &suspect/2)
  end

  defp suspect(pid, state) do
    case ProcessFigures.glance(pid) do
      nil -> %{state | growth: Growth.forget(state.growth, pid)}
      :runs -> ask(state, pid)
      figures -> mailbox(%{state | growth: Growth.suspect(state.growth, figures)}, figures)
    end
  end

  defp ask(state, pid) do
    now = now()

    case state.asked do
      %{^pid => since} when now - since < @patience_us ->
        state

      asked ->
        ProcessFigures.ask(pid)
        %{state | asked: Map.put(asked, pid, now)}
    end
  end

  # The VM adds up the messages of a mailbox in its process's next timeslice, so another process asks for the sum. Again when the mailbox
  # has grown by a quarter.
  defp mailbox(state, %{queue: queue} = figures) when queue >= @queued do
    now = System.monotonic_time(:millisecond)
    state = %{state | arrivals: Arrivals.note(state.arrivals, figures.pid, queue, now)}

    case state.mailboxes[figures.pid] do
      {counted, _} when queue < counted + div(counted, 4) ->
        state

      _ ->
        census = self()
        pid = figures.pid
        heap = figures.bytes - figures.binaries

        spawn_asker(fn ->
          with {:memory, memory} <- Process.info(pid, :memory),
               do: send(census, {:mailbox, pid, queue, max(memory - heap, 0)})
        end)

        %{state | mailboxes: Map.put(state.mailboxes, pid, {queue, 0})}
    end
  end

  defp mailbox(state, _figures), do: state

  # Every scheduler has to answer `:erlang.memory/1`, which may take long on a busy node, so another process asks.
  defp totals(%{waiting_for_totals: true} = state), do: state

  defp totals(state) do
    census = self()

    spawn_asker(fn ->
      with %{} = memory <- memory() do
        %{memory: persistent} = :persistent_term.info()
        send(census, {:totals, Map.put(memory, :persistent, persistent)})
      end
    end)

    %{state | waiting_for_totals: true}
  end

  # nil on a VM with an allocator switched off. It is then never asked again, and binaries that no process holds are attributed to nothing.
  defp memory do
    Map.new(:erlang.memory([:total, :binary, :ets, :processes]))
  rescue
    ErlangError -> nil
  end

  defp spawn_asker(fun) do
    :erlang.spawn_opt(fun, priority: :max)
    :ok
  rescue
    SystemLimitError -> :ok
  end

  defp tables(state) do
    tables = Ets.look(state.tables, false)

    tables =
      if Summary.loose(state) > div(state.limit, 64),
        do: Ets.sample(tables, state.limit),
        else: tables

    %{state | tables: tables}
  end

  defp parts(%{pids: nil} = state, until) do
    parts(%{state | pids: :erlang.processes(), growth: Growth.begin(state.growth)}, until)
  end

  defp parts(%{pids: []} = state, _until),
    do: %{state | pids: nil, growth: Growth.finish(state.growth, false)}

  defp parts(state, until) do
    {part, rest} = Enum.split(state.pids, @part)
    state = Enum.reduce(part, %{state | pids: rest}, &part/2)
    if now() < until or rest == [], do: parts(state, until), else: state
  end

  defp part(pid, state) do
    case ProcessFigures.glance(pid) do
      nil ->
        state

      :runs ->
        ask(state, pid)

      figures ->
        Limits.match(state.limits, figures)
        mailbox(%{state | growth: Growth.add(state.growth, figures)}, figures)
    end
  end

  defp now, do: System.monotonic_time(:microsecond)
end
