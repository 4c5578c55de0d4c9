defmodule Bounded.Facts.Growth do
  @moduledoc false
  # Which processes and ETS tables grow: their sizes are compared from one look to the next.
  #
  # A look may cost the node a given number of microseconds. If measuring all of them costs more, they take turns: a part is measured
  # twice, then the next part. The rows that were shown last are measured each time.

  alias Bounded.Facts.{Probe, Processes, Top}

  # By each of the keys that can be sorted by.
  @listed 15
  # Names are asked for one by one, so not all in one look.
  @names 10
  # What one name costs the node, in microseconds: two or three calls.
  @name_us 300
  @least 100
  @most 20_000
  @keys [:growth, :memory, :binaries, :queue]

  defstruct [
    :kind,
    # What one look covers, in items.
    size: 500,
    window: [],
    rest: [],
    looks: 0,
    # Whether this look covers all, and whether the one before did.
    whole: false,
    was_whole: false,
    seen: %{},
    at: nil,
    listed: [],
    names: %{},
    count: 0
  ]

  def processes, do: %__MODULE__{kind: :processes}
  def tables, do: %__MODULE__{kind: :tables}

  @doc "`{microseconds, %{count: _, looked_at: _, rows: _}, growth}`. Rows are the first few by each key, in no order."
  def look(growth, probe, budget) do
    {of_list, growth} = turn(growth, probe)
    items = Enum.uniq(growth.listed ++ growth.window)
    {of_figures, answers} = figures(growth.kind, probe, items)
    now = System.monotonic_time(:millisecond)

    entries =
      for {item, figures} <- answers, figures != nil, do: entry(growth, item, figures, now)

    rows = entries |> leaders() |> Enum.map(&Map.put(&1, :name, nil))
    {of_names, names} = names(growth, probe, rows)
    rows = for row <- rows, do: %{row | name: Map.get(names, row.id) || inspect(row.id)}

    growth = %{
      growth
      | seen: Map.new(entries, &{&1.id, &1.memory + &1.binaries}),
        at: now,
        listed: Enum.map(rows, & &1.id),
        names: names,
        looks: growth.looks + 1,
        was_whole: growth.whole,
        size: size(growth.size, length(items), of_figures, budget)
    }

    {of_list + of_figures + of_names,
     %{count: growth.count, looked_at: length(items), rows: rows}, growth}
  end

  # The part to look at. All of them, if that many can be: then those that are new are seen at once.
  defp turn(%{whole: false, looks: 1} = growth, _probe), do: {0, growth}

  defp turn(%{rest: [_ | _] = rest} = growth, _probe) do
    {window, rest} = Enum.split(rest, growth.size)
    {0, %{growth | window: window, rest: rest, looks: 0}}
  end

  defp turn(growth, probe) do
    {microseconds, all} = all(growth.kind, probe)
    count = length(all)
    {window, rest} = Enum.split(all, growth.size)

    {microseconds,
     %{growth | window: window, rest: rest, looks: 0, count: count, whole: rest == []}}
  end

  defp all(:processes, probe), do: Probe.timed(probe, :erlang, :processes, [])
  defp all(:tables, probe), do: Probe.timed(probe, :ets, :all, [])

  @items [:memory, :message_queue_len, :garbage_collection_info]

  defp figures(:processes, probe, pids) do
    {microseconds, answers} = Probe.timed_answers(probe, pids, &:erlang.process_info/2, @items)

    {microseconds,
     for {pid, answer} <- answers do
       case answer do
         [memory: memory, message_queue_len: queue, garbage_collection_info: info] ->
           words = info[:bin_vheap_size] + info[:bin_old_vheap_size]
           {pid, {memory, Probe.bytes(probe, words), queue}}

         :undefined ->
           {pid, nil}
       end
     end}
  end

  defp figures(:tables, probe, tables) do
    {microseconds, answers} = Probe.timed_answers(probe, tables, &:ets.info/2, :memory)

    {microseconds,
     for {table, words} <- answers do
       {table, if(is_integer(words), do: {Probe.bytes(probe, words), 0, 0})}
     end}
  end

  defp entry(growth, item, {memory, binaries, queue}, now) do
    %{
      id: item,
      memory: memory,
      binaries: binaries,
      queue: queue,
      growth: grown(growth, item, memory + binaries, now)
    }
  end

  defp grown(%{at: nil}, _item, _bytes, _now), do: nil

  defp grown(growth, item, bytes, now) do
    case growth.seen do
      %{^item => before} -> div((bytes - before) * 1000, max(now - growth.at, 1))
      # All were looked at before: this one is new.
      _ when growth.was_whole -> div(bytes * 1000, max(now - growth.at, 1))
      _ -> nil
    end
  end

  defp leaders(entries) do
    @keys
    |> Enum.flat_map(fn key ->
      entries
      |> Enum.reduce(Top.new(@listed), fn entry, top ->
        figure = Map.fetch!(entry, key)
        if is_integer(figure) and figure > 0, do: Top.add(top, figure, entry), else: top
      end)
      |> Top.to_list()
      |> Enum.map(&elem(&1, 1))
    end)
    |> Enum.uniq_by(& &1.id)
  end

  # Known names are kept while they are listed.
  defp names(growth, probe, rows) do
    known = Map.take(growth.names, Enum.map(rows, & &1.id))
    unknown = rows |> Enum.reject(&is_map_key(known, &1.id)) |> Enum.take(@names)

    names = Enum.reduce(unknown, known, &Map.put(&2, &1.id, name(growth.kind, probe, &1)))
    {length(unknown) * @name_us, names}
  end

  defp name(:processes, probe, row), do: Processes.readable_name(probe, row.id, row.memory)

  defp name(:tables, probe, row) do
    name = Probe.call(probe, :ets, :info, [row.id, :name])
    if name == row.id, do: inspect(name), else: "#{inspect(name)} #{inspect(row.id)}"
  end

  # Follows what the last look cost, by at most a factor of two.
  defp size(size, looked_at, microseconds, budget) do
    affordable = div(looked_at * budget, max(microseconds, 1))
    affordable |> max(div(size, 2)) |> min(size * 2) |> max(@least) |> min(@most)
  end
end
