defmodule Quota.Cluster do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Runs work on the node of a cluster that has room for it.

  Start it on each node, beside a `Quota.Pool`:

      children = [
        {Quota.Pool, name: MyApp.Memory, size: {:fraction, 0.7}},
        {Quota.Cluster, pool: MyApp.Memory}
      ]

      Quota.run(Quota.mib(64), {MyApp.Reports, :build, [id]}, pool: MyApp.Memory, node: :any)

  The work runs here if there is room, else on the node with more room of two that are drawn at random. `node:` is `node()`, another
  node, a list of nodes to choose from, or `:any`.

  Nodes with a pool of the same name find each other through `:pg`, over the connections of Erlang's distribution: connect the nodes
  by any means, such as libcluster. Each node sends the others how much room it has: when that changes, at most every 100 ms, and
  nothing while it does not. The memory itself is always reserved by the node that runs the work. A view that is out of date costs
  a question to another node, and never makes a pool reserve more than it has.

  ## What runs elsewhere

    * `{module, function, arguments}` or `&Mod.fun/0`, with the code of that node. A closure is refused unless the node is this one: it
      only runs in the very code that made it
    * The arguments, Logger metadata and inherited keys are sent, and the result is sent back, with the binaries in them. Each of the two
      must fit in the limit; arguments are measured before any node is asked, and sent after one has reserved the memory
    * `:label`, `:timeout`, `:inherit`, Logger metadata and `$callers` are as for any run. What the work prints or logs goes to this
      node, where its group leader is
    * A limit around the call (`Quota.run/3` in `Quota.run/3`) applies to this node: work on another one has its own

  ## Errors

  `Quota.ExceededError`, `Quota.TimeoutError` and `Quota.PoolFullError` have the `node`. Any other exception of the work is raised as if
  it had run here.

  If the node dies, restarts or is cut off in mid call, the call exits with `{:nodedown, node}`: at once when the connection
  closes, and after up to 1.25 times `net_ticktime` (60 seconds by default) when it falls silent. The work there is killed as soon as
  that node notices, and its memory is released. Work that may have begun is not run again, unless `retry: :safe` says that it may run
  twice. If the caller dies, the work is killed.

  With `:pool_timeout`, a run for which no node has room waits in the queue of this node, or of another one if it may not
  run here, and goes elsewhere when it sees room there.

  ## Versions

  Nodes with different versions of this library work together while the version of their protocol is the same. Others are not chosen,
  and `info/1` shows their version. A call that names one (`node: :"b@host"`) raises `ArgumentError`.

  Needs OTP 25.1 or later. The guide on clusters has errors and limits, the one on Kubernetes a recipe for pods.
  """

  use Supervisor

  alias Quota.Cluster.{Runner, Server, Stream, Views, WireSize}
  alias Quota.Options

  @doc """
  Returns the child specification of a cluster's member. The pool of each has a name of its own.

      iex> Quota.Cluster.child_spec(pool: MyApp.Memory).id
      {Quota.Cluster, MyApp.Memory}
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    %{
      id: {__MODULE__, options[:pool]},
      start: {__MODULE__, :start_link, [options]},
      type: :supervisor
    }
  end

  @doc """
  Makes this node a member of the cluster of the pool `:pool`, the only option. Raises `ArgumentError` for an invalid one.

      iex> {:ok, _pid} = Quota.Pool.start_link(name: DocTest.Shared, size: Quota.mib(8))
      iex> {:ok, _pid} = Quota.Cluster.start_link(pool: DocTest.Shared)
      iex> Quota.run(Quota.mib(1), {Enum, :sum, [1..10]}, pool: DocTest.Shared, node: :any)
      55
  """
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(options) do
    Options.keyword!(options)
    options = Keyword.validate!(options, [:pool])
    Supervisor.start_link(__MODULE__, pool!(options[:pool]))
  end

  defp pool!(name) when is_atom(name) and name not in [nil, true, false], do: name

  defp pool!(name) do
    raise ArgumentError, ":pool must be the name of a Quota.Pool, got: #{inspect(name)}"
  end

  @impl true
  def init(name) do
    # Code that a work's process loads would count as its memory.
    Enum.each([Runner, WireSize], &Code.ensure_loaded/1)
    # A scope for each pool, so that nodes hear only of the pools that they have.
    scope = Module.concat(__MODULE__, name)

    Supervisor.init(
      [
        %{id: :pg, start: {:pg, :start_link, [scope]}},
        {Server, {name, scope}}
      ],
      strategy: :rest_for_one
    )
  end

  @typedoc "Options of `Quota.run/3`, and those of the stream."
  @type stream_option ::
          Quota.option() | {:ordered, boolean} | {:max_concurrency, pos_integer}

  @doc """
  Runs `apply(module, function, [element | arguments])` for each element of `enum`, on the nodes that have room. Returns a lazy
  stream of

    * `{:ok, result}`
    * `{:error, error}` with a `Quota.ExceededError`, `Quota.TimeoutError` or `Quota.PoolFullError`
    * `{:exit, reason}` for any other failure, such as `{:nodedown, node}`

  A failure is that of its element alone. `limit` bytes are the limit of each element's work.

  The next element is taken from `enum` only after a node has admitted the one before: room in the cluster, and the consumer of the
  stream, set the pace. Parsing can stay here and the work go elsewhere:

      {:file, "feed.xml"}
      |> BoundedXml.select("/feed/item")
      |> Stream.chunk_every(500)
      |> Quota.Cluster.async_stream(Quota.mib(64), {MyApp.Import, :items, []}, pool: MyApp.Memory)
      |> Enum.each(&log/1)

  Takes the options of `Quota.run/3`, with `node: :any`, for which `:pool` is required, and `pool_timeout: :infinity` as defaults, and

    * `:ordered` - whether results come in the order of the elements, `true` by default. A slow element then holds back the results
      of later ones
    * `:max_concurrency` - number of elements that run, or whose results wait, at one time. By default the number of schedulers
      of all nodes of the cluster

  This node holds that many elements and results. When the consumer takes no more elements, work that is still running is killed.

  Raises `ArgumentError` for invalid arguments.

      iex> {:ok, _pid} = Quota.Pool.start_link(name: DocTest.Streamed, size: Quota.mib(8))
      iex> {:ok, _pid} = Quota.Cluster.start_link(pool: DocTest.Streamed)
      iex> 1..3
      ...> |> Quota.Cluster.async_stream(Quota.mib(1), {Integer, :pow, [2]}, pool: DocTest.Streamed)
      ...> |> Enum.to_list()
      [ok: 1, ok: 4, ok: 9]
  """
  @spec async_stream(Enumerable.t(), Quota.limit(), {module, atom, [term]}, [stream_option]) ::
          Enumerable.t()
  def async_stream(enum, limit, work, opts), do: Stream.new(enum, limit, work, opts)

  @typedoc "One node of the cluster, as `info/1` describes it: `size` and `free` in bytes."
  @type member :: %{
          node: node,
          version: pos_integer,
          size: non_neg_integer,
          free: non_neg_integer,
          paused: boolean,
          pressure: Quota.Pressure.level() | nil,
          running: non_neg_integer,
          waiting: non_neg_integer
        }

  @doc """
  Returns the pools of the cluster as this node sees them, itself first.

    * `node`, and the `version` of its protocol. A node of another version than this one has no further figures, and is not chosen
    * `size`, `free`: of its pool, in bytes
    * `paused`: whether its pool admits nothing, because the node is short of memory or the pool has stopped
    * `pressure`: `Quota.Pressure.level/0` there
    * `running`, `waiting`: number of quotas that hold a reservation there, and that wait for one

  Sends no message. Raises `ArgumentError` when this node has no cluster of that pool.

      iex> {:ok, _pid} = Quota.Pool.start_link(name: DocTest.Known, size: Quota.mib(8))
      iex> {:ok, _pid} = Quota.Cluster.start_link(pool: DocTest.Known)
      iex> [%{node: node, free: free, paused: false}] = Quota.Cluster.info(DocTest.Known)
      iex> {node == node(), free == Quota.mib(8)}
      {true, true}
  """
  @spec info(atom) :: [member]
  def info(name) do
    table = Views.fetch!(name)
    own = with %Views{} = view <- Server.own_view(name), do: member({node(), view})
    others = table |> Views.all() |> Enum.map(&member/1) |> Enum.sort_by(& &1.node)
    if own, do: [own | others], else: others
  end

  defp member({node, view}) do
    %{
      node: node,
      version: view.version,
      size: view.size,
      free: view.free,
      paused: view.paused != false,
      pressure: view.pressure,
      running: view.running || 0,
      waiting: view.waiting || 0
    }
  end
end
