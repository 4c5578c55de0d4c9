defmodule Quota.Cluster.Views do
  @moduledoc false
  # What this node knows of the pools of the other nodes: a table that `Quota.Cluster.Server` fills and all callers read. A view
  # may be out of date. It decides which node is asked, never what that node admits.

  alias Quota.Pool.Overshoot

  # A row is `{node, free, open, at, told, view}`. Callers take from the free bytes when they ask; `told` are those that the node has
  # told last, in a view or with a refusal, at the time `at` of its own.
  @free 2

  # A view as nodes send it. `open` is false while the pool admits no newcomers: it is paused, or others wait. `admitted` makes it a
  # new view after each admission, even if the memory is free again.
  defstruct [
    # Monotonic time of that node.
    :at,
    :version,
    :size,
    :free,
    :percent,
    :open,
    :paused,
    :pressure,
    :running,
    :waiting,
    :admitted,
    :schedulers
  ]

  @type t :: %__MODULE__{}

  @nodes :nodes

  @doc "Creates the table for the pool `name`. It belongs to the calling process."
  def new(name) do
    table = :ets.new(__MODULE__, [:public, read_concurrency: true, write_concurrency: true])

    :ets.insert(table, {@nodes, {}})
    :persistent_term.put({__MODULE__, name}, table)
    table
  end

  @doc "Returns the table of the pool `name`. Raises if this node has no `Quota.Cluster` of that pool."
  def fetch!(name) do
    :persistent_term.get({__MODULE__, name}, nil) ||
      raise ArgumentError,
            "there is no Quota.Cluster of the pool #{inspect(name)}: start {Quota.Cluster, pool: #{inspect(name)}} " <>
              "under a supervisor, beside the pool"
  end

  def put(table, node, %__MODULE__{} = view) do
    known = :ets.member(table, node)
    :ets.insert(table, {node, view.free, view.open, view.at, view.free, view})
    unless known, do: list_nodes(table)
    :ok
  end

  def delete(table, node) do
    :ets.delete(table, node)
    list_nodes(table)
  end

  # Callers draw nodes by their numbers.
  defp list_nodes(table) do
    nodes = :ets.select(table, [{{:"$1", :_, :_, :_, :_, :_}, [], [:"$1"]}])
    :ets.insert(table, {@nodes, List.to_tuple(nodes)})
    :ok
  end

  @doc "Returns `{node, view}` of each other node. Without a table, while its owner restarts, there are none."
  def all(table) do
    for {node, free, open, _at, _told, view} <- read(fn -> :ets.tab2list(table) end, []),
        do: {node, %{view | free: max(free, 0), open: open}}
  end

  @doc """
  Chooses a node to ask for a limit of `limit` bytes: of two drawn at random the one with more free memory, so that callers with
  the same views do not all choose the same node. Returns nil if no view has room. `allowed` is `:any` or a list of nodes;
  `refused` are nodes not to ask.
  """
  def choose(table, allowed, limit, refused) do
    read(
      fn ->
        drawn = draw_two(candidates(table, allowed))
        best(table, drawn, limit, refused) || scan(table, allowed, drawn, limit, refused)
      end,
      nil
    )
  end

  @doc "As `choose/4`, but looks at two nodes only. For callers that look again and again."
  def glance(table, allowed, limit, refused) do
    read(fn -> best(table, draw_two(candidates(table, allowed)), limit, refused) end, nil)
  end

  @doc "Returns the node, of two drawn at random, in whose queue the fewest wait, or nil if there is none but `refused`."
  def shortest_queue(table, allowed, refused) do
    read(
      fn ->
        nodes = table |> candidates(allowed) |> Tuple.to_list()
        known = for node <- nodes -- refused, [row] <- [:ets.lookup(table, node)], do: row

        known
        |> Enum.take_random(2)
        |> Enum.min_by(fn {_, _, _, _, _, view} -> view.waiting end, fn -> {nil} end)
        |> elem(0)
      end,
      nil
    )
  end

  @doc "Whether the whole pool of a node has room for a limit."
  def fits?(table, allowed, limit) do
    for {node, view} <- all(table), allowed == :any or node in allowed, reduce: false do
      fits -> fits or (view.size > 0 and view.size >= Overshoot.charge(limit, view.percent))
    end
  end

  @doc """
  Takes the bytes that a limit reserves from the view, so that later callers choose differently. The next view of the node, which an
  admission there causes, has the true figure.
  """
  def debit(table, node, limit), do: add(table, node, limit, -1)

  @doc "Undoes `debit/3` after a question without an answer."
  def credit(table, node, limit), do: add(table, node, limit, 1)

  defp add(table, node, limit, sign) do
    read(
      fn ->
        case :ets.lookup(table, node) do
          [{_, _, _, _, _, view}] ->
            bytes = sign * Overshoot.charge(limit, view.percent)
            :ets.update_counter(table, node, {@free, bytes})

          [] ->
            :ok
        end
      end,
      :ok
    )
  end

  @doc "Corrects the view by the figures of a refusal, unless the node has sent a later view."
  def correct(table, node, %{free: free, open: open, at: at}) do
    replace = [
      {{node, :_, :_, :"$1", :_, :"$2"}, [{:<, :"$1", at}],
       [{{node, free, open, at, free, :"$2"}}]}
    ]

    read(fn -> :ets.select_replace(table, replace) end, 0)
  end

  @doc "Undoes `debit/3` by callers that were killed before they asked."
  def settle(table) do
    fields = [:"$1", :"$2", :"$3", :"$4", :"$5", :"$6"]
    told = {List.to_tuple(List.replace_at(fields, @free - 1, :"$5"))}
    :ets.select_replace(table, [{List.to_tuple(fields), [{:"/=", :"$2", :"$5"}], [told]}])
    :ok
  end

  defp candidates(table, :any), do: :ets.lookup_element(table, @nodes, 2)
  defp candidates(_table, nodes), do: List.to_tuple(nodes)

  defp draw_two(nodes) do
    case tuple_size(nodes) do
      0 ->
        []

      1 ->
        [elem(nodes, 0)]

      count ->
        first = :rand.uniform(count)
        second = rem(first + :rand.uniform(count - 1) - 1, count) + 1
        [elem(nodes, first - 1), elem(nodes, second - 1)]
    end
  end

  # The first of equals, which were drawn in random order.
  defp best(table, nodes, limit, refused) do
    {_free, node} =
      [{-1, nil} | Enum.map(nodes, &room(table, &1, limit, refused))]
      |> Enum.max_by(&elem(&1, 0))

    node
  end

  # `{free, node}`, or `{-1, nil}` without room.
  defp room(table, node, limit, refused) do
    with [{_, free, true, _at, _told, view}] <- :ets.lookup(table, node),
         true <- free >= Overshoot.charge(limit, view.percent) and node not in refused do
      {free, node}
    else
      _ -> {-1, nil}
    end
  end

  # Room is rare: looks at every node, and draws two of those that have some.
  defp scan(table, allowed, drawn, limit, refused) do
    with_room =
      for node <- roomy(table, allowed, limit),
          node not in drawn,
          {_, ^node} <- [room(table, node, limit, refused)],
          do: node

    best(table, draw_two(List.to_tuple(with_room)), limit, refused)
  end

  # Of many nodes, those with more free bytes than the limit alone: in one call, which copies nothing else.
  defp roomy(table, :any, limit) do
    :ets.select(table, [{{:"$1", :"$2", true, :_, :_, :_}, [{:>=, :"$2", limit}], [:"$1"]}])
  end

  defp roomy(_table, nodes, _limit), do: nodes

  # The owner of the table may be dead. Its successor makes a new one.
  defp read(fun, default) do
    fun.()
  rescue
    ArgumentError -> default
  end
end
