defmodule Quota.Pool do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Admits work only while the node has the memory for it: the limits that run in a pool never add up to more than the
  pool's size.

  Start a pool with the application, then name it in `Quota.run/3`:

      children = [
        {Quota.Pool, name: MyApp.Memory, size: {:fraction, 0.7}}
      ]

      Quota.run(Quota.mib(64), fn -> MyApp.Import.run(file) end, pool: MyApp.Memory)

  `Quota.run/3` then reserves memory in the pool before the work starts, and `Quota.put_limit/2` reserves it for the life
  of a process. Without free memory they raise `Quota.PoolFullError`: at once, or after they have waited
  `:pool_timeout` milliseconds for their turn. Requests are admitted in the order of their arrival, so that small requests
  do not starve large ones. A request that does not wait is never admitted before one that waits.

  ## What is reserved

  The limit and an allowance for overshoot: work can exceed its limit before it is stopped, by the percentage that was
  measured for this OTP release (the guide on pools has the table). The reservation is released when the last process of
  the work is dead: its own, those that count towards it (`count: [:children]`) and those of work nested in it. Native
  memory that outlives the work (a parser or a `BoundedBinary` that was sent elsewhere) stays reserved until its last
  reference is gone. Quotas nested in an admitted quota reserve nothing, because their bytes are reserved already.

  Admission takes a few atomic operations and no message, as long as there is room. The pool's process only keeps the
  wait queue. If it crashes, no reservation is lost or made twice: running work goes on, new work is admitted while there
  is room, and waiting callers queue again in their old order after the restart.

  ## Options

    * `:name` - an atom, required
    * `:size` - bytes, at least 64 KiB, or `{:fraction, f}` with `f` above 0 and below 1: that fraction of the memory that this VM may use,
      less the memory that the node holds at start and the size of other pools. The VM may use the smallest limit among its
      control group and the groups above it, or the machine's memory if no group has a limit. Required
    * `:max_waiting` - maximum length of the wait queue, from 0 to 134,217,727; 1,000 by default

  A pool does not start when the node does not have its size; the error has the figures. When it starts, it logs its size
  and the percentage of a limit that it reserves.

  While `Quota.Pressure.level/0` is `:critical` a pool admits nothing.
  """

  alias Bounded.{Format, Native}
  alias Quota.{Options, PoolFullError, Telemetry}
  alias Quota.Pool.{Ledger, Overshoot, Server}

  # The largest `:max_waiting`: the process limit of a node.
  @most_waiting 134_217_727

  # Time until the next attempt to reach a pool's process that is being restarted.
  @absent_ms 5

  # Number of the largest reservations that an error lists.
  @listed_holders 3

  @doc """
  Returns the child specification of a pool. Several pools may run under one supervisor, each with a name of its own.

      iex> Quota.Pool.child_spec(name: MyApp.Memory, size: {:fraction, 0.7}).id
      {Quota.Pool, MyApp.Memory}
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    %{id: {__MODULE__, options[:name]}, start: {__MODULE__, :start_link, [options]}}
  end

  @doc """
  Starts a pool. The module's documentation lists the options.

  Returns `{:error, {error, []}}` with an `ArgumentError` that has the figures when the node does not have the size. Raises
  `ArgumentError` for invalid options.

      iex> {:ok, _pid} = Quota.Pool.start_link(name: DocTest.Memory, size: Quota.mib(8))
      iex> Quota.run(Quota.mib(1), fn -> :done end, pool: DocTest.Memory)
      :done
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(options) do
    Options.keyword!(options)
    options = Keyword.validate!(options, [:name, :size, max_waiting: 1_000])
    name!(options[:name])
    size!(options[:size])
    max_waiting!(options[:max_waiting])
    Server.start_link(options)
  end

  defp name!(name) when is_atom(name) and name not in [nil, true, false], do: :ok
  defp name!(name), do: raise(ArgumentError, ":name must be an atom, got: #{inspect(name)}")

  defp size!({:fraction, fraction}) when is_float(fraction) and fraction > 0 and fraction < 1,
    do: :ok

  defp size!(size) do
    unless is_integer(size) and size >= Options.smallest() and size <= Options.largest() do
      raise ArgumentError,
            ":size must be from #{Options.smallest()} to #{Options.largest()} bytes, or {:fraction, f} with f between 0.0 and 1.0, " <>
              "got: #{inspect(size)}"
    end
  end

  defp max_waiting!(count) when is_integer(count) and count in 0..@most_waiting, do: :ok

  defp max_waiting!(count) do
    raise ArgumentError,
          ":max_waiting must be an integer from 0 to #{@most_waiting}, got: #{inspect(count)}"
  end

  @doc """
  Returns the figures of a pool at this moment.

    * `size`, `reserved`, `free`: bytes. `reserved` includes `orphaned`, bytes that outlived their quota
    * `peak`: the largest `reserved` so far
    * `running`, `waiting`: number of quotas that hold a reservation, and that wait for one
    * `admitted`, `refused`: number of quotas so far
    * `paused`: whether the pool admits nothing because the node is short of memory
    * `by_label`: `%{label, reserved, running}` of the quotas that hold a reservation, largest first

  Sends no message. Raises `ArgumentError` when there is no such pool.

      iex> {:ok, _pid} = Quota.Pool.start_link(name: DocTest.Info, size: Quota.mib(8))
      iex> info = Quota.run(Quota.mib(2), fn -> Quota.Pool.info(DocTest.Info) end, pool: DocTest.Info, label: "import")
      iex> {info.running, info.reserved > Quota.mib(2), info.reserved + info.free == info.size}
      {1, true, true}
      iex> [%{label: label, running: 1}] = info.by_label
      iex> label
      "import"
  """
  @spec info(atom) :: %{
          size: pos_integer,
          reserved: non_neg_integer,
          free: non_neg_integer,
          orphaned: non_neg_integer,
          peak: non_neg_integer,
          running: non_neg_integer,
          waiting: non_neg_integer,
          admitted: non_neg_integer,
          refused: non_neg_integer,
          paused: boolean,
          by_label: [%{label: term, reserved: non_neg_integer, running: non_neg_integer}]
        }
  def info(name) do
    ledger = Ledger.fetch!(name)
    figures = Ledger.figures(ledger)
    Map.put(figures, :by_label, Ledger.by_label(ledger, figures))
  end

  @doc false
  # Reserves `limit` bytes and the overshoot for `account`, before anything is charged to it. Closes the account and raises when
  # the pool refuses.
  def admit(name, account, limit, label, timeout) do
    ledger = Ledger.fetch!(name)
    charge = Overshoot.charge(limit, ledger.percent)

    case Native.pool_admit(ledger.pool, account, charge, false) do
      :ok ->
        Telemetry.admitted(name, label, limit, charge)

      {:error, {:too_large, _free, _waiting}} ->
        Native.account_close(account)
        too_large!(name, Ledger.figures(ledger).size, limit, charge)

      {:error, {reason, _free, _waiting}} when timeout == 0 ->
        refuse(name, ledger, account, {limit, charge, label, reason}, nil, [])

      {:error, {_reason, _free, waiting}} when waiting >= ledger.max_waiting ->
        refuse(name, ledger, account, {limit, charge, label, :queue_full}, nil, [])

      {:error, _} ->
        waiter = %{
          account: account,
          charge: charge,
          key: {System.monotonic_time(), make_ref()},
          deadline: deadline(timeout)
        }

        queued = Telemetry.queued(name, label, limit, charge)

        case wait(name, waiter) do
          :ok -> Telemetry.admitted(name, label, limit, charge, queued)
          reason -> refuse(name, ledger, account, {limit, charge, label, reason}, queued, [])
        end
    end
  end

  @doc false
  # Reserves as `admit/5` does, without waiting. A refusal is returned, changes no figure and leaves the account open: another node
  # may have room.
  def try_admit(name, account, limit, label) do
    ledger = Ledger.fetch!(name)
    charge = Overshoot.charge(limit, ledger.percent)

    case Native.pool_admit(ledger.pool, account, charge, false) do
      :ok -> Telemetry.admitted(name, label, limit, charge)
      {:error, {reason, _free, _waiting}} -> {:refused, reason}
    end
  end

  @doc false
  # Raises for work that `try_admit/4` refused, and that runs nowhere else. `nodes` are the other nodes that refused it.
  @spec refuse!(atom, term, pos_integer, term, atom, [node]) :: no_return
  def refuse!(name, account, limit, label, reason, nodes) do
    ledger = Ledger.fetch!(name)
    charge = Overshoot.charge(limit, ledger.percent)

    if reason == :too_large do
      Native.account_close(account)
      too_large!(name, Ledger.figures(ledger).size, limit, charge)
    end

    refuse(name, ledger, account, {limit, charge, label, reason}, nil, nodes)
  end

  @spec refuse(atom, struct, term, tuple, term, [node]) :: no_return
  defp refuse(name, ledger, account, {limit, charge, label, reason}, queued, nodes) do
    # The pool may have granted the request meanwhile. Closing the account releases that.
    Native.account_close(account)
    Native.pool_refused(ledger.pool)
    Telemetry.refused(name, label, limit, charge, reason, queued)
    figures = Ledger.figures(ledger)

    holders =
      for %{label: label, reserved: bytes} <- Ledger.by_label(ledger, figures), do: {label, bytes}

    raise PoolFullError,
      pool: name,
      asked: limit,
      charged: charge,
      free: figures.free,
      size: figures.size,
      reason: reason,
      label: label,
      nodes: nodes,
      holders: Enum.take(holders, @listed_holders)
  end

  defp wait(name, waiter) do
    case left(waiter.deadline) do
      0 ->
        :timeout

      left ->
        try do
          Server.wait(name, waiter, left)
        catch
          :exit, {:timeout, _} ->
            Server.leave(name, waiter.key)
            :timeout

          # The pool's process is dead. If it had granted the request, a second request is not granted again.
          :exit, {_crash, _} ->
            receive do
            after
              min(@absent_ms, left) -> wait(name, waiter)
            end
        end
    end
  end

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: now() + timeout

  defp left(:infinity), do: :infinity
  defp left(deadline), do: max(deadline - now(), 0)

  @doc false
  @spec too_large!(atom, pos_integer, pos_integer, pos_integer) :: no_return
  def too_large!(name, size, limit, charge) do
    raise ArgumentError,
          "a limit of #{Format.bytes(limit)} reserves #{Format.bytes(charge)}, more than the whole pool #{inspect(name)} " <>
            "of #{Format.bytes(size)}: choose a smaller limit or a larger pool"
  end

  defp now, do: System.monotonic_time(:millisecond)
end
