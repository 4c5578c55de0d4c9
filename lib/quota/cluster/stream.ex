defmodule Quota.Cluster.Stream do
  @moduledoc false
  # `Quota.Cluster.async_stream/4`. One process of this node calls `Quota.run/3` for each element. The next element is taken from the
  # source only after a node has admitted the one before, so that at most one element waits here for room.

  alias Quota.Cluster.{Placement, Server, Views}
  alias Quota.{ExceededError, Options, PoolFullError, TimeoutError}
  alias Quota.Run.Context

  @own [ordered: true, max_concurrency: nil]

  defstruct [
    :source,
    :limit,
    :work,
    :opts,
    :context,
    :pool,
    :ordered,
    :max_concurrency,
    # Tag of the messages to the process that runs the stream.
    :tag,
    # The element that no node has admitted yet.
    :placing,
    # What the source raised.
    :failed,
    next: 0,
    emitted: 0,
    # Processes by the number of their element, and results that wait for those of earlier elements.
    running: %{},
    done: %{}
  ]

  def new(enum, limit, {module, function, arguments} = work, opts)
      when is_atom(module) and is_atom(function) and is_list(arguments) do
    Options.keyword!(opts)
    {own, opts} = Keyword.split(opts, Keyword.keys(@own))
    own = Keyword.merge(@own, own)
    ordered!(own[:ordered])
    max_concurrency!(own[:max_concurrency])
    opts = Keyword.merge(defaults(opts[:pool]), opts)
    options = Options.validate!(limit, fn -> work end, opts)
    if options.node == :any or is_list(options.node), do: Views.fetch!(options.pool)

    stream = %__MODULE__{
      limit: limit,
      work: work,
      opts: opts,
      pool: options.pool,
      ordered: own[:ordered],
      max_concurrency: own[:max_concurrency]
    }

    Stream.resource(fn -> start(stream, enum, options) end, &next/1, &stop/1)
  end

  def new(_enum, _limit, other, _opts) do
    raise ArgumentError,
          "expected {module, function, arguments}, called with the element before the arguments, got: " <>
            inspect(other, limit: 10)
  end

  # Without a pool, nobody waits for room in it.
  defp defaults(nil), do: [node: :any]
  defp defaults(_pool), do: [node: :any, pool_timeout: :infinity]

  defp ordered!(ordered) when is_boolean(ordered), do: :ok

  defp ordered!(other),
    do: raise(ArgumentError, ":ordered must be true or false, got: #{inspect(other)}")

  defp max_concurrency!(nil), do: :ok
  defp max_concurrency!(count) when is_integer(count) and count > 0, do: :ok

  defp max_concurrency!(other) do
    raise ArgumentError, ":max_concurrency must be a positive integer, got: #{inspect(other)}"
  end

  defp start(stream, enum, options) do
    source = &Enumerable.reduce(enum, &1, fn element, _ -> {:suspend, element} end)
    %{stream | source: source, tag: make_ref(), context: Context.capture(options.inherit)}
  end

  # One step a call: if it raises, `stop/1` has the state before it.
  defp next(%{failed: {kind, reason, stack}}), do: :erlang.raise(kind, reason, stack)

  defp next(stream) do
    cond do
      may_take?(stream) -> {[], take(stream)}
      ready?(stream) -> emit(stream)
      stream.running == %{} -> {:halt, stream}
      true -> {[], await(stream)}
    end
  end

  defp may_take?(%{source: nil}), do: false
  defp may_take?(%{placing: placing}) when placing != nil, do: false

  defp may_take?(stream),
    do: map_size(stream.running) + map_size(stream.done) < max_concurrency(stream)

  # The schedulers of all nodes that there are now.
  defp max_concurrency(%{max_concurrency: nil, pool: nil}), do: System.schedulers_online()

  defp max_concurrency(%{max_concurrency: nil, pool: pool}) do
    own = Server.own_view(pool)
    views = for {_node, view} <- Views.all(Views.fetch!(pool)), do: view
    schedulers = for %{schedulers: count} when count != nil <- [own | views], do: count
    max(Enum.sum(schedulers), 1)
  end

  defp max_concurrency(%{max_concurrency: count}), do: count

  defp take(stream) do
    case stream.source.({:cont, nil}) do
      {:suspended, element, source} -> begin(%{stream | source: source}, element)
      {_done, _} -> %{stream | source: nil}
    end
  catch
    # The source has closed itself.
    kind, reason -> %{stream | source: nil, failed: {kind, reason, __STACKTRACE__}}
  end

  defp begin(%{next: number} = stream, element) do
    %{tag: tag, context: context, limit: limit, work: {module, function, arguments}} = stream
    owner = self()
    opts = stream.opts

    {pid, monitor} =
      :erlang.spawn_opt(
        fn ->
          Context.restore(context)
          placed = fn _node -> send(owner, {tag, number, :placed}) end
          work = {module, function, [element | arguments]}
          send(owner, {tag, number, {:result, outcome(limit, work, opts, placed)}})
        end,
        [:link, :monitor]
      )

    running = Map.put(stream.running, number, {pid, monitor})
    %{stream | next: number + 1, placing: number, running: running}
  end

  defp outcome(limit, work, opts, placed) do
    {:ok, Placement.place(Quota, limit, work, opts, placed)}
  rescue
    error in [ExceededError, PoolFullError, TimeoutError] -> {:error, error}
    error -> {:exit, {error, __STACKTRACE__}}
  catch
    :exit, reason -> {:exit, reason}
    :throw, value -> {:exit, {{:nocatch, value}, __STACKTRACE__}}
  end

  # A process that was killed has no result.
  defp await(%{tag: tag} = stream) do
    monitors = Map.new(stream.running, fn {number, {_pid, monitor}} -> {monitor, number} end)

    receive do
      {^tag, number, :placed} ->
        placed(stream, number)

      {^tag, number, {:result, result}} ->
        finished(stream, number, result)

      {:DOWN, monitor, :process, _, reason} when is_map_key(monitors, monitor) ->
        finished(stream, Map.fetch!(monitors, monitor), {:exit, reason})
    end
  end

  defp placed(%{placing: number} = stream, number), do: %{stream | placing: nil}
  defp placed(stream, _number), do: stream

  defp finished(stream, number, result) do
    {{pid, monitor}, running} = Map.pop!(stream.running, number)
    Process.demonitor(monitor, [:flush])
    unlink(pid)
    placed(%{stream | running: running, done: Map.put(stream.done, number, result)}, number)
  end

  # Nothing is left in the queue of a process that traps exits.
  defp unlink(pid) do
    Process.unlink(pid)

    receive do
      {:EXIT, ^pid, _} -> :ok
    after
      0 -> :ok
    end
  end

  defp ready?(%{ordered: true} = stream), do: is_map_key(stream.done, stream.emitted)
  defp ready?(stream), do: stream.done != %{}

  defp emit(%{ordered: true, emitted: number} = stream) do
    {result, done} = Map.pop!(stream.done, number)
    {[result], %{stream | done: done, emitted: number + 1}}
  end

  defp emit(stream), do: {Map.values(stream.done), %{stream | done: %{}}}

  # The stream has ended, or its consumer takes no more. Work that is running is killed with its process.
  defp stop(%{tag: tag} = stream) do
    if stream.source && stream.next > 0, do: stream.source.({:halt, nil})

    for {_number, {pid, monitor}} <- stream.running do
      Process.unlink(pid)
      Process.exit(pid, :kill)

      receive do
        {:DOWN, ^monitor, :process, _, _} -> :ok
      end

      unlink(pid)
    end

    flush(tag)
  end

  defp flush(tag) do
    receive do
      {^tag, _, _} -> flush(tag)
    after
      0 -> :ok
    end
  end
end
