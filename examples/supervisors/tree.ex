defmodule Examples.Supervisors.Tree do
  @moduledoc """
  Limits in a supervision tree: a pool that all share, and workers with a limit of their own.

    * The pool comes first: those after it ask it for memory as they start. Its promises outlive its process, so a
      restart loses none.
    * A worker over its limit is killed and started again by its supervisor. Its new life has a new limit, from `init/1`.
    * A supervisor keeps almost nothing and needs no limit. Never put one on it: a kill takes all its children down.
    * What breaches again and again ends the supervisor after `max_restarts`. Where the cause is in the data, take the data away:
      run it with `Quota.try_run/3` instead, which is an error and no restart.
  """

  use Supervisor

  @pool Examples.Supervisors.Memory

  def start_link(options), do: Supervisor.start_link(__MODULE__, options)

  @impl true
  def init(options) do
    children = [
      {Quota.Pool, name: @pool, size: Keyword.get(options, :size, Quota.mib(64))},
      {Examples.Supervisors.Worker, name: options[:worker], pool: @pool}
    ]

    Supervisor.init(children, strategy: :rest_for_one, max_restarts: 3)
  end

  def pool, do: @pool
end

defmodule Examples.Supervisors.Worker do
  @moduledoc false
  use GenServer

  @limit Quota.mib(8)

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: options[:name])

  def collect(worker, count), do: GenServer.call(worker, {:collect, count})

  @impl true
  def init(options) do
    # Where the pool has no room, the worker does not start, and the supervisor says why.
    Quota.put_limit(@limit, label: "worker", pool: options[:pool])
    {:ok, []}
  rescue
    error in Quota.PoolFullError -> {:stop, error}
  end

  @impl true
  def handle_call({:collect, count}, _from, rows) do
    rows = Enum.to_list(1..count) ++ rows
    {:reply, length(rows), rows}
  end
end
