defmodule Quota.PoolCase do
  @moduledoc false
  # Tests of `Quota.Pool`: pools, and work that holds some of one. Promises are counted in bytes of the whole
  # node, so `async: false`.

  use ExUnit.CaseTemplate

  import Bounded.Eventually
  import ExUnit.CaptureLog

  alias Quota.Pool

  # Every limit takes more of the pool than itself.
  @limit Quota.mib(2)
  @charge Quota.Pool.Overshoot.charge(@limit, Quota.Pool.Overshoot.percent())

  using do
    quote do
      import Bounded.Eventually
      import Quota.PoolCase

      alias Quota.{Pool, PoolFullError}

      @moduletag :capture_log
      @limit unquote(@limit)
      @charge unquote(@charge)
    end
  end

  @doc "A pool with room for four limits of 2 MiB, unless told otherwise."
  def start(options \\ []) do
    name = :"pool_#{System.unique_integer([:positive])}"
    options = Keyword.merge([name: name, size: 4 * @charge], options)
    {pid, log} = with_log(fn -> start_supervised!({Pool, options}) end)
    %{name: name, pid: pid, log: log}
  end

  @doc "Bytes of a pool that work with this limit takes."
  def charge(limit), do: Quota.Pool.Overshoot.charge(limit, Quota.Pool.Overshoot.percent())

  @doc "The caller of work that goes on until it is sent `:end`, and tells when it begins and ends."
  def hold(name, limit, options) do
    test = self()

    spawn(fn ->
      work = fn ->
        send(test, {:began, self(), options[:label]})
        receive do: (:end -> :done)
      end

      send(test, {:ended, self(), Quota.try_run(limit, work, [pool: name] ++ options)})
    end)
  end

  @doc "The next work that has begun."
  def began do
    assert_receive {:began, worker, _label}
    worker
  end

  @doc "As `hold/3`, when it has begun: `{caller, worker}`."
  def holding(name, limit \\ @limit, options \\ []) do
    caller = hold(name, limit, options)
    {caller, began()}
  end

  @doc "A process that keeps a megabyte made by work that has ended."
  def keep(name, limit) do
    keeper = spawn(fn -> receive do: ({:keep, _binary} -> Process.sleep(:infinity)) end)

    work = fn ->
      send(keeper, {:keep, BoundedBinary.copy(:binary.copy("x", 1_000_000))})
      :ok
    end

    :ok = Quota.run(limit, work, pool: name)
    keeper
  end

  @doc "Waits until `count` requests are in the queue of the pool `name`."
  def waiting(name, count), do: eventually(fn -> assert Pool.info(name).waiting == count end)

  @doc "Waits until nothing is reserved in the pool."
  def empty(name) do
    eventually(fn ->
      assert %{reserved: 0, orphaned: 0, running: 0, waiting: 0, by_label: []} = Pool.info(name)
    end)
  end

  @doc "Kills a process and waits until it is dead."
  def kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
  end
end
