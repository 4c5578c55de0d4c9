defmodule Quota do
  @moduledoc since: "0.1.0"
  @moduledoc """
  One memory limit for one piece of work: its heap, the binaries it holds and the native memory
  allocated for it.

      iex> Quota.run(Quota.mib(64), fn -> Enum.sum(1..1_000) end)
      500500

  When the work exceeds its limit, its process is killed and `run/3` raises `Quota.ExceededError`. The VM and
  all other processes go on.

      iex> try do
      ...>   Quota.run(Quota.mib(4), fn -> Enum.to_list(1..1_000_000) end)
      ...> rescue
      ...>   error in Quota.ExceededError -> {error.category, error.limit}
      ...> end
      {:heap, 4_194_304}

  ## What changes inside `Quota.run`

  The work runs in a process of its own, so:

    * `self()` is another process: the caller's registrations, links and subscriptions do not apply to it.
    * `receive` reads the new process's own message queue; messages to the caller stay in the caller's queue.
    * A task started outside cannot be awaited inside, because only its owner may await it. Start it inside.
    * Sockets, ports and files opened by the caller belong to the caller: a passive socket can be read,
      an active one sends to the caller; a raw file or a zlib stream works for its owner only. A private
      ETS table of the caller cannot be read.
    * A conn belongs to the request's process: Bandit lets no other process send, read the body or parse it, and an
      upload (`Plug.Upload`) that is received inside is deleted when the work ends. `Quota.Plug` makes the calls of the
      adapter in the request's process and gives it the uploads.
    * A transaction of the caller (`Repo.transaction`) is not joined: the work checks out a connection of
      its own. Begin it inside.
    * On a breach no `after`, `rescue` or `catch` of the work runs: the process is killed. Put
      cleanup in the caller, or in a process that monitors the work.
    * A lazy stream that `fun` returns is evaluated later, in the caller and outside the limit. Return its
      elements instead.
    * The terms that `fun` captures are copied in and count towards the limit. A copy loses sharing between terms,
      so the captures are measured first and refused if the copy would exceed the limit. The result is copied out, and
      its copy must fit in the limit, too. The VM does not copy constants of modules and persistent terms, so they do not
      count, as far as a search of bounded time finds them.
    * `$callers`, `$ancestors` and Logger metadata are those of the caller (so that Ecto's sandbox, Mox and
      logs work); further keys of the process dictionary are copied with `:inherit`.

  A quota inside a quota has at most the bytes that are left of the outer one, less 64 KiB. Its usage also counts
  towards the outer quota. Where that leaves less than 64 KiB, `run/3` raises `Quota.ExceededError` and starts nothing.
  """

  alias Bounded.Native
  alias Quota.Cluster.Placement
  alias Quota.{Limit, Usage}
  alias Quota.Watch.Children

  @typedoc "A limit in bytes, from 64 KiB to 512 PiB."
  @type limit :: pos_integer

  @typedoc "An option of `put_limit/2` and `run/3`."
  @type limit_option ::
          {:label, term}
          | {:pool, atom}
          | {:pool_timeout, timeout}
          | {:soft_limit, pos_integer}
          | {:max_queue, pos_integer}
          | {:count, [:children | :ets]}
          | {:max_children, non_neg_integer}
          | {:shared_binaries, boolean}
          | {:mode, :enforce | :observe}

  @typedoc "An option of `run/3` and `try_run/3`."
  @type option ::
          limit_option
          | {:timeout, timeout}
          | {:inherit, [term]}
          | {:node, node | [node] | :any}
          | {:retry, :safe}

  @typedoc "A function of no arguments, or the module, function and arguments of a call."
  @type work(result) :: (() -> result) | {module, atom, [term]}

  @doc """
  Runs `fun` in a process of its own with at most `limit` bytes of memory, and returns its result. `fun` is a function of no
  arguments, or `{module, function, arguments}`.

  `limit` is an integer from 64 KiB (more where the VM runs with a larger `+hms`) to 512 PiB; `kib/1`, `mib/1` and
  `gib/1` help.

  Errors, throws and exits of `fun` are raised again in the caller, with their stack trace. If the process dies for
  any other reason than a breach, the caller exits with `{reason, {Quota, :run, [limit, fun, opts]}}`, as with
  `Task.await/2`. The reason is `:killed` where `Quota.Watchdog` has ended work that was within its limit. If the caller dies, the work
  is killed.

  ## Options

  What has no default below is off.

    * `:label` - the name of the run in errors: any term whose copy takes at most 64 KiB and at most the limit
    * `:timeout` - milliseconds that the work may take, from 0 to 4,294,967,295, or `:infinity`, the default
    * `:inherit` - further keys of the caller's process dictionary to copy, such as those of
      OpenTelemetry, Gettext or a dynamic repo. `$callers`, `$ancestors` and Logger metadata are always copied
    * `:pool` - the name of a `Quota.Pool`. The run starts only after it has reserved its memory there
    * `:pool_timeout` - milliseconds to wait for that reservation, from 0 to 4,294,967,295, or `:infinity`; 0 by
      default
    * `:soft_limit` - bytes, from 1 to the limit: when usage rises past this figure, the process is
      garbage-collected once and the event `[:bounded, :quota, :soft_limit]` is sent. Both can happen again after
      usage has fallen below half of this figure
    * `:max_queue` - maximum length of the process's message queue, from 1 to 4,294,967,295. No other
      option counts binaries in waiting messages
    * `:count` - what else counts towards the limit:
      * `:children` - processes that the work starts, at any depth, and tasks that a supervisor starts for it
        and that it awaits. `attach/1` adds other processes. All of them are killed when the work ends. Each also
        counts the fixed size of a process
      * `:ets` - tables owned by processes that count: the terms in them and, unless a table is `:private`, the
        binaries over 64 bytes that their rows reference. In tables of more than 400 rows the binaries are estimated
        from a sample, without its largest part. A binary that the work's own process also references counts only
        once, for that process
    * `:max_children` - maximum number of counted processes at one time, without the work's own, from 0 to 134,217,727;
      10,000 by default with `count: [:children]`. One process more is a breach of category `:children`
    * `:shared_binaries` - `true` by default. `false` does not count binaries that other processes also reference. The guard finds them
      by listing the binaries that the work references, unless there are too many to list. The VM's own limit
      (`max_heap_size`) then counts no binaries, so a loop of calls that do not yield can take more of them
    * `:node` - where the work runs: `node()`, the default; another node; a list of nodes, or `:any`, to choose one whose
      pool has room, with a `Quota.Cluster` of that pool. Another node takes `{module, function, arguments}` or
      `&Mod.fun/0`, no closure; see `Quota.Cluster`
    * `:retry` - `:safe` if the work may run twice: when its node is lost in mid call, another one runs it
    * `:mode` - `:enforce` by default. `:observe` reports only: a breach sends an event with `enforced: false` and is
      logged as by `put_limit/2`. Refused all the same: captures or a result that would take more than a quarter of the
      memory that this node may use, and a label over 64 KiB

  ## Raises

    * `Quota.ExceededError` - the work, or the terms that it captures, needed more than `limit` (category `:captures`
      for the captures; nothing was started)
    * `Quota.TimeoutError` - the work took longer than `:timeout`
    * `Quota.PoolFullError` - the pool has no room, and had none within `:pool_timeout`; nothing was started
    * `ArgumentError` - an invalid limit, function or option (the message lists the valid values); a `:pool` that is not running, or
      that is smaller than what the limit reserves
    * `SystemLimitError` - the node has reached its process limit; no work is left running

  With `:node`, errors have the `node` that ran the work, unless it was this one. The call exits with `{:nodedown, node}` when that
  node is lost in mid call: the work may have begun.

  ## Examples

      iex> Quota.run(Quota.mib(8), fn -> String.upcase("bounded") end, label: "upcase", timeout: 5_000)
      "BOUNDED"

      iex> Quota.run(Quota.mib(8), fn -> raise ArgumentError, "no such field" end)
      ** (ArgumentError) no such field
  """
  @spec run(limit, work(result), [option]) :: result when result: var
  def run(limit, fun, opts \\ []), do: Placement.run(__MODULE__, limit, fun, opts)

  @doc """
  Like `run/3`, but returns `{:ok, result}`, or `{:error, error}` with a `Quota.ExceededError`, `Quota.PoolFullError` or
  `Quota.TimeoutError`. Any other exception of `fun` is raised.

      iex> Quota.try_run(Quota.mib(8), fn -> :done end)
      {:ok, :done}

      iex> {:error, error} = Quota.try_run(Quota.mib(4), fn -> Enum.to_list(1..1_000_000) end)
      iex> error.category
      :heap
  """
  @spec try_run(limit, work(result), [option]) ::
          {:ok, result}
          | {:error, Quota.ExceededError.t() | Quota.PoolFullError.t() | Quota.TimeoutError.t()}
        when result: var
  def try_run(limit, fun, opts \\ []) do
    {:ok, run(limit, fun, opts)}
  rescue
    error in [Quota.ExceededError, Quota.PoolFullError, Quota.TimeoutError] -> {:error, error}
  end

  @doc """
  Runs `fun` without a limit and returns `{result, usage}`. `usage` is a `Quota.Usage` with `live`, `reductions` and
  `time`.

  Choose a limit from `peak` rather than from `live`: a limit applies to the whole footprint, which includes garbage
  and the copy that a collection makes. Peaks of the VM's memory are sampled and may be too low, so leave room.

  Raises the exceptions of `fun`, `ArgumentError` unless `fun` is a function of no arguments, and
  `Quota.ExceededError` (category `:captures` or `:result`) if the copy of what `fun` captures, or of the result, would
  take more than a quarter of the memory that this node may use.

      iex> {sum, usage} = Quota.measure(fn -> Enum.sum(Enum.to_list(1..100_000)) end)
      iex> {sum, usage.peak > 1_000_000, usage.live < usage.peak}
      {5000050000, true, true}
  """
  @spec measure((() -> result)) :: {result, Usage.t()} when result: var
  def measure(fun), do: Quota.Measure.run(__MODULE__, fun)

  @doc """
  Puts a limit of `limit` bytes on the calling process for the rest of its life: a GenServer, a channel, a
  LiveView, a WebSock handler, or a task that sends its result by itself. Replaces a limit that the process has
  already: for a moment the pool must have room for both, and native memory that was charged to the old limit does not count towards
  the new one.

  Use `run/3` for one piece of work of a process that goes on, and `Quota.Plug` for a route. Never call this function in a plug: with
  Bandit the limit stays for the next requests of the connection, and a breach closes that without an answer or leaves an HTTP/2
  stream hanging; with Cowboy the client waits until its own timeout.

  When native memory would exceed the limit, the function that allocates it raises `Quota.ExceededError` in the
  process. When the heap or binaries exceed it, the process is killed, always with `:kill`, because a process that
  traps exits survives any other reason. The event `[:bounded, :quota, :breach]` has the cause (see
  `Quota.Telemetry`). The process is also killed when its guard dies, the process that watches it, unless the mode
  is `:observe`.

  The killed process cannot report the breach, so it is logged: one line at level `:error` with the label, the limit, the category,
  the figures and the stack frame, at most one for each label in ten seconds, and for all processes without a label together:

      Quota: #PID<0.153.0> was killed: the work "import" needed more than its limit of 8 MiB for its heap. In use: ...

  `config :bounded, log_breaches: false` silences it; it is read at each breach. Processes that wait for the killed one exit or get
  `:DOWN`, and its `terminate/2` does not run.

  Takes the options of `run/3`, except `:timeout`, `:inherit`, `:node` and `:retry`.

  Raises what `run/3` raises before it starts anything, and `ArgumentError` when called inside `run/3`.

      iex> Task.await(Task.async(fn ->
      ...>   :ok = Quota.put_limit(Quota.mib(8), label: :import)
      ...>   Quota.usage().total < Quota.mib(1)
      ...> end))
      true
  """
  @spec put_limit(limit, [limit_option]) :: :ok
  def put_limit(limit, opts \\ []), do: Limit.put(limit, opts)

  @doc """
  Takes the limit of `put_limit/2` off the calling process. Resets `max_heap_size` to the system default
  (`:erlang.system_info(:max_heap_size)`). Does nothing if the process has no limit.

      iex> Quota.delete_limit()
      :ok
  """
  @spec delete_limit :: :ok
  def delete_limit, do: Limit.delete()

  @doc """
  Counts the process `pid` towards the quota in which the caller runs, and kills it when the work ends. For processes
  that the work did not start. Returns whether `pid` was alive.

  Raises `ArgumentError` unless the caller runs in a quota with `count: [:children]`, when `pid` has a quota of its own,
  when it waits for the work, and when it is not a pid of this node.

      iex> Quota.run(Quota.mib(8), fn -> Quota.attach(spawn(fn -> Process.sleep(:infinity) end)) end,
      ...>   count: [:children])
      true
  """
  @spec attach(pid) :: boolean
  def attach(pid) when is_pid(pid) and node(pid) == node(), do: Children.attach(pid)

  def attach(other) do
    raise ArgumentError,
          "Quota.attach/1 takes a pid of this node, got: #{inspect(other)}"
  end

  @doc """
  Returns the memory in use by the caller's quota, or nil if it has none.

      iex> Quota.usage()
      nil

      iex> Quota.run(Quota.mib(8), fn -> Quota.usage().native end)
      0
  """
  @spec usage :: Usage.t() | nil
  def usage, do: Usage.own()

  @typedoc "One quota, as `list/0` describes it: `limit` in bytes, `age` in milliseconds."
  @type info :: %{
          label: term,
          limit: limit,
          usage: Usage.t(),
          age: non_neg_integer,
          pid: pid,
          caller: pid
        }

  @doc """
  Lists the active quotas of this node: `label`, `limit` (bytes), `usage` as last measured, `age` (milliseconds),
  `pid`, and `caller`, which is `pid` for a limit of `put_limit/2`.

      iex> Quota.run(Quota.mib(8), fn -> Quota.list() |> Enum.find(&(&1.pid == self())) end, label: "one").label
      "one"
  """
  @spec list :: [info]
  def list, do: list(0)

  # In batches, because a node may have tens of thousands of quotas.
  defp list(from) do
    {quotas, next} = Native.quotas(from)
    if next, do: described(quotas) ++ list(next), else: described(quotas)
  end

  defp described(quotas) do
    for {pid, caller, limit, age, usage, label} <- quotas do
      %{
        label: label && :erlang.binary_to_term(label),
        limit: limit,
        usage: Usage.from_tuple(usage),
        age: age,
        pid: pid,
        caller: caller
      }
    end
  end

  @doc """
  Converts kibibytes to bytes.

      iex> Quota.kib(64)
      65536
  """
  @spec kib(non_neg_integer) :: non_neg_integer
  def kib(count) when is_integer(count) and count >= 0, do: count * 1024

  @doc """
  Converts mebibytes to bytes.

      iex> Quota.mib(64)
      67108864
  """
  @spec mib(non_neg_integer) :: non_neg_integer
  def mib(count) when is_integer(count) and count >= 0, do: count * 1024 * 1024

  @doc """
  Converts gibibytes to bytes.

      iex> Quota.gib(1)
      1073741824
  """
  @spec gib(non_neg_integer) :: non_neg_integer
  def gib(count) when is_integer(count) and count >= 0, do: count * 1024 * 1024 * 1024
end
