# A simulation of placement on many nodes, without a network: what `Quota.Cluster` does, and other ways to choose a node.
#
# Each node has room for 32 units of memory. Work needs 1, 2, 4 or 8 units for a second on average (exponential), and arrives at random
# (Poisson): four fifths of it on one fifth of the nodes. Nothing waits: work without room is refused. A node sends its view to the others
# of its group when it has changed, every 100 ms, and the others have it a millisecond later.
defmodule Bench.Cluster.Simulation do
  @room 32
  @sizes {1, 2, 4, 8}
  @mean_size 3.75
  @tick 0.1
  @delay 0.001
  @warm 2.0
  @until 5.0
  # As `Quota.Cluster.Placement` has it.
  @most_asks 4

  defstruct [
    :nodes,
    :group,
    :strategy,
    :used,
    :seen,
    # The number of views that each node has sent.
    :sent,
    changed: MapSet.new(),
    arrived: 0,
    refused: 0,
    elsewhere: 0,
    asks: 0,
    views: 0,
    samples: []
  ]

  @doc "`strategy` is `:here`, `:random`, `:best`, `:two` or `:oracle`. `load` is a fraction of all memory."
  def run(nodes, group, strategy, load, seed \\ 1) do
    :rand.seed(:exsss, {seed, 2, 3})
    rate = load * nodes * @room / @mean_size
    ticks = for node <- 1..nodes, do: {:rand.uniform() * @tick, {:tick, node}}
    events = :gb_sets.from_list([{0.0, :arrival}, {@warm, :sample} | ticks] |> Enum.map(&key/1))

    state = %__MODULE__{
      nodes: nodes,
      group: group,
      strategy: strategy,
      used: :atomics.new(nodes, signed: true),
      seen: :atomics.new(nodes, signed: true),
      sent: :atomics.new(nodes, signed: true)
    }

    events |> loop(state, rate) |> report()
  end

  # Two events at one time are both kept.
  defp key({time, event}), do: {time, :erlang.unique_integer(), event}

  defp loop(events, state, rate) do
    {{time, _, event}, events} = :gb_sets.take_smallest(events)

    if time > @until do
      state
    else
      {later, state} = handle(event, time, state, rate)
      later |> Enum.reduce(events, &:gb_sets.add(key(&1), &2)) |> loop(state, rate)
    end
  end

  defp handle(:arrival, time, state, rate) do
    size = elem(@sizes, :rand.uniform(4) - 1)
    next = {time + exponential(1 / rate), :arrival}
    counted = time >= @warm
    {node, asks} = place(state, arrives(state.nodes), size)
    state = count(state, counted, node, asks)

    case node do
      nil ->
        {[next], state}

      {_how, node} ->
        :atomics.add(state.used, node, size)
        changed = MapSet.put(state.changed, node)
        {[next, {time + exponential(1.0), {:leave, node, size}}], %{state | changed: changed}}
    end
  end

  defp handle({:leave, node, size}, _time, state, _rate) do
    :atomics.sub(state.used, node, size)
    {[], %{state | changed: MapSet.put(state.changed, node)}}
  end

  defp handle({:tick, node}, time, state, _rate) do
    next = {time + @tick, {:tick, node}}

    if MapSet.member?(state.changed, node) do
      views = if time >= @warm, do: group_size(state, node) - 1, else: 0
      used = :atomics.get(state.used, node)
      changed = MapSet.delete(state.changed, node)
      state = %{state | changed: changed, views: state.views + views}
      {[next, {time + @delay, {:view, node, used}}], state}
    else
      {[next], state}
    end
  end

  defp handle({:view, node, used}, _time, state, _rate) do
    :atomics.put(state.seen, node, used)
    :atomics.add(state.sent, node, 1)
    {[], state}
  end

  defp handle(:sample, time, state, _rate) do
    used = for node <- 1..state.nodes, do: :atomics.get(state.used, node)
    {[{time + @tick, :sample}], %{state | samples: [spread(used) | state.samples]}}
  end

  # The standard deviation of the memory in use among the nodes, as a fraction of the room.
  defp spread(used) do
    mean = Enum.sum(used) / length(used)
    variance = Enum.sum(Enum.map(used, &((&1 - mean) * (&1 - mean)))) / length(used)
    :math.sqrt(variance) / @room
  end

  defp exponential(mean), do: -mean * :math.log(1.0 - :rand.uniform())

  defp arrives(nodes) do
    busy = max(div(nodes, 5), 1)

    if :rand.uniform(5) <= 4,
      do: spread_out(:rand.uniform(busy), nodes, busy),
      else: :rand.uniform(nodes)
  end

  # Busy nodes are in every group.
  defp spread_out(n, nodes, busy), do: rem((n - 1) * div(nodes, busy), nodes) + 1

  defp count(state, false, _node, _asks), do: state

  defp count(state, true, node, asks) do
    state = %{state | arrived: state.arrived + 1, asks: state.asks + asks}

    case node do
      nil -> %{state | refused: state.refused + 1}
      {:here, _} -> state
      {:elsewhere, _} -> %{state | elsewhere: state.elsewhere + 1}
    end
  end

  ## Placement

  defp place(%{strategy: :oracle} = state, _here, size) do
    {used, node} = least(state.used, state.nodes, {@room, nil})
    {if(used + size <= @room, do: {:elsewhere, node}), 1}
  end

  defp place(state, here, size) do
    cond do
      admits?(state, here, size) -> {{:here, here}, 0}
      state.strategy == :here -> {nil, 0}
      true -> ask(state, here, size, [here], 0)
    end
  end

  defp least(_used, 0, least), do: least

  defp least(used, node, {fewest, _} = least) do
    case :atomics.get(used, node) do
      fewer when fewer < fewest -> least(used, node - 1, {fewer, node})
      _ -> least(used, node - 1, least)
    end
  end

  defp ask(_state, _here, _size, _refused, @most_asks), do: {nil, @most_asks}

  defp ask(state, here, size, refused, asks) do
    case choose(state, here, size, refused) do
      nil ->
        {nil, asks}

      node ->
        cond do
          admits?(state, node, size) ->
            learn(state, here, node, seen(state, here, node) + size)
            {{:elsewhere, node}, asks + 1}

          state.strategy == :random ->
            {nil, asks + 1}

          true ->
            learn(state, here, node, :atomics.get(state.used, node))
            ask(state, here, size, [node | refused], asks + 1)
        end
    end
  end

  defp admits?(state, node, size), do: :atomics.get(state.used, node) + size <= @room

  defp choose(%{strategy: :random} = state, here, _size, _refused), do: draw(state, here)

  defp choose(%{strategy: :best} = state, here, size, refused),
    do: best(group(state, here), state, here, size, refused)

  defp choose(%{strategy: :two} = state, here, size, refused) do
    drawn = [draw(state, here), draw(state, here)]

    best(drawn, state, here, size, refused) ||
      case for node <- group(state, here),
               seen(state, here, node) + size <= @room,
               node not in refused,
               do: node do
        [] -> nil
        nodes -> nodes |> Enum.take_random(2) |> best(state, here, size, refused)
      end
  end

  defp draw(state, here), do: Enum.random(group(state, here))

  # The node with the most room by its view, if that is enough.
  defp best(nodes, state, here, size, refused) do
    {_used, node} =
      Enum.reduce(nodes, {@room - size + 1, nil}, fn node, {least, _} = best ->
        used = seen(state, here, node)
        if used < least and node not in refused, do: {used, node}, else: best
      end)

    node
  end

  # What a node knows of another one: its last view, and what this node has learnt since, by an answer or by asking.
  defp seen(state, here, node),
    do:
      Process.get({here, node, :atomics.get(state.sent, node)}) || :atomics.get(state.seen, node)

  defp learn(state, here, node, used),
    do: Process.put({here, node, :atomics.get(state.sent, node)}, used)

  defp group(state, node) do
    first = div(node - 1, state.group) * state.group + 1
    first..min(first + state.group - 1, state.nodes)
  end

  defp group_size(state, node), do: state |> group(node) |> Enum.count()

  defp report(state) do
    seconds = @until - @warm

    %{
      refused: state.refused / state.arrived,
      elsewhere: state.elsewhere / state.arrived,
      asks: state.asks / max(state.arrived, 1),
      spread: Enum.sum(state.samples) / length(state.samples),
      views: state.views / seconds,
      questions: 2 * state.asks / seconds,
      arrivals: state.arrived / seconds
    }
  end
end
