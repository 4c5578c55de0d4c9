# What each node of the cluster runs. In an application these are its own modules, which every node has.
defmodule Examples.Cluster.Report do
  @moduledoc "Work that takes memory and time."

  @doc "Takes `bytes` for `ms` milliseconds. Returns the number of the report and the node that made it."
  def build(number, bytes, ms) do
    page = :binary.copy("x", bytes)
    Process.sleep(ms)
    {number, node(), byte_size(page)}
  end
end

defmodule Examples.Cluster.Office do
  @moduledoc "A node with a pool, and callers that ask for reports."

  alias Examples.Cluster.Report

  @pool Examples.Cluster.Memory
  @limit 16 * 1024 * 1024

  @doc "Starts a pool of `size` bytes that is shared. In an application these two stand in its supervision tree."
  def open(size) do
    children = [{Quota.Pool, name: @pool, size: size}, {Quota.Cluster, pool: @pool}]
    {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one)
    Process.unlink(supervisor)
    :ok
  end

  @doc "The nodes that this one knows, each with what it has free."
  def room, do: Map.new(Quota.Cluster.info(@pool), &{&1.node, &1.free})

  @doc "The number of reports that are being made on this node."
  def running, do: Quota.Pool.info(@pool).running

  @doc """
  Asks for `count` reports at once, each of `bytes`, and waits for all. A report runs here if there is room, else where there is.
  Each outcome is `{:ok, node}` or `{:error, exception}`.
  """
  def ask(count, bytes, ms) do
    # A report has no effect but its result: if its node is lost, it may be made once more.
    options = [pool: @pool, node: :any, pool_timeout: 30_000, retry: :safe]

    1..count
    |> Enum.map(&Task.async(fn -> outcome({Report, :build, [&1, bytes, ms]}, options) end))
    |> Task.await_many(60_000)
  end

  defp outcome(work, options) do
    {_number, node, _bytes} = Quota.run(@limit, work, options)
    {:ok, node}
  rescue
    error in [Quota.ExceededError, Quota.PoolFullError] -> {:error, error}
  end

  @doc "One job in parts, each made where there is room. Returns how many were made on each node."
  def split(parts) do
    1..parts
    |> Quota.Cluster.async_stream(@limit, {Report, :build, [1_000_000, 20]}, pool: @pool)
    |> Enum.frequencies_by(fn {:ok, {_number, node, _bytes}} -> node end)
  end
end
