defmodule Quota.Pool do
  @moduledoc """
  Promises only the memory that the node has: the sum of all limits that run in a pool never exceeds its size.

  Start it with the application, then name it where work runs:

      children = [
        {Quota.Pool, name: MyApp.Memory, size: {:fraction, 0.7}}
      ]

      Quota.run(Quota.mib(64), fn -> import(file) end, pool: MyApp.Memory)

  `Quota.run/3` then reserves memory before the work begins; so does `Quota.put_limit/2`, for the life of a process. When
  there is none they raise `Quota.PoolFullError`, at once, or after waiting up to `:pool_timeout` milliseconds for
  their turn: first come, first served, so that small requests do not starve large ones. A request
  that does not wait is never admitted before one that does.

  ## What is reserved

  The limit, times what work may pass it by before it is stopped, as measured for the OTP release that runs (the guide
  on pools has the table): a pool that ignored it would promise memory that it does not have. It goes back when the last
  process of the work is dead, however it died: its own, those that count towards it (`count: [:children]`) and those of
  work nested in it. Bytes of this library's own that outlive the work (a parser or a `BoundedBinary` that was sent elsewhere) stay reserved
  until the last reference to them goes. Quotas nested in one that the pool admitted reserve nothing: their
  bytes are promised already.

  When there is room, admission is a few atomic operations; no process is asked. The pool's process only keeps the queue. If it
  crashes, no promise is lost or made twice: work that runs goes on, newcomers are admitted as long as there is room,
  and those who waited come back, in their order, when it has been restarted.

  ## Options

    * `:name` - an atom, required
    * `:size` - bytes, or `{:fraction, f}` with `f` above 0 and below 1: of the memory that this VM may use, less what the node
      holds at start and what other pools promise. What it may use is the limit of its control group, the smallest up the
      hierarchy, or the machine's memory where there is none. Required
    * `:max_waiting` - maximum length of the wait queue, 1,000 by default

  A pool refuses to start, with the figures, when the size is not there. It logs its size, and the options with which
  the VM takes that memory up front.

  While `Quota.Pressure.level/0` is `:critical` a pool admits nothing.
  """

  alias Bounded.Native
  alias Quota.{Options, Overshoot, PoolFullError, Text}
  alias Quota.Pool.{Ledger, Server}

  # How many can wait at most: as many processes as a node can have.
  @most_waiting 134_217_727

  # How soon to look again for a pool's process that is being restarted.
  @absent_ms 5

  # So many holders say who it is; more would hide it.
  @holders 3

  @doc """
  The child specification of a pool. Several pools may run under one supervisor, each with a name of its own.
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    %{id: {__MODULE__, options[:name]}, start: {__MODULE__, :start_link, [options]}}
  end

  @doc """
  Starts a pool; see the module for the options.

  Returns `{:error, {error, []}}` with an `ArgumentError` that has the figures when the size is not there. Raises
  `ArgumentError` for options that make no sense.

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
  defp name!(name), do: raise(ArgumentError, ":name is an atom, got: #{inspect(name)}")

  defp size!({:fraction, fraction}) when is_float(fraction) and fraction > 0 and fraction < 1,
    do: :ok

  defp size!(size) do
    unless is_integer(size) and size > 0 and size <= Options.largest() do
      raise ArgumentError,
            ":size is in bytes, from 1 to #{Options.largest()}, or {:fraction, f} with f between 0.0 and 1.0, " <>
              "got: #{inspect(size)}"
    end
  end

  defp max_waiting!(count) when is_integer(count) and count in 0..@most_waiting, do: :ok

  defp max_waiting!(count) do
    raise ArgumentError,
          ":max_waiting is an integer, from 0 to #{@most_waiting}, got: #{inspect(count)}"
  end

  @doc """
  What a pool has promised at this moment.

    * `size`, `reserved`, `free`: bytes; `reserved` includes `orphaned`, bytes that outlived their quota
    * `peak`: the largest `reserved` so far
    * `running`, `waiting`: how many hold a promise, how many wait for one
    * `admitted`, `refused`: how many so far
    * `paused`: whether nothing is admitted because the node is short of memory
    * `by_label`: `%{label, reserved, running}` of those who run, largest first

  Asks no process. Raises `ArgumentError` when there is no such pool.

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
  # Makes `limit` bytes and what they may be passed by those of `account`, before anything is charged to it.
  # Raises when the pool does not; the account is closed then.
  def admit(name, account, limit, label, timeout) do
    ledger = Ledger.fetch!(name)
    charge = Overshoot.charge(limit, ledger.percent)

    case Native.pool_admit(ledger.pool, account, charge) do
      :ok ->
        :ok

      {:error, {:too_large, _free, _waiting}} ->
        Native.account_close(account)
        raise ArgumentError, too_large(name, ledger, limit, charge)

      {:error, {reason, _free, _waiting}} when timeout == 0 ->
        refuse(name, ledger, account, {limit, charge, label, reason})

      {:error, {_reason, _free, waiting}} when waiting >= ledger.max_waiting ->
        refuse(name, ledger, account, {limit, charge, label, :queue_full})

      {:error, _} ->
        waiter = %{
          account: account,
          charge: charge,
          key: {System.monotonic_time(), make_ref()},
          deadline: deadline(timeout)
        }

        case wait(name, waiter) do
          :ok -> :ok
          reason -> refuse(name, ledger, account, {limit, charge, label, reason})
        end
    end
  end

  defp refuse(name, ledger, account, {limit, charge, label, reason}) do
    # Its turn may have come just now: what was granted goes back.
    Native.account_close(account)
    Native.pool_refused(ledger.pool)
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
      holders: Enum.take(holders, @holders)
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

          # The pool's process is gone. If it had granted the request before, it is not granted twice.
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

  defp too_large(name, ledger, limit, charge) do
    "a limit of #{Text.bytes(limit)} takes #{Text.bytes(charge)} of the pool #{inspect(name)}, " <>
      "which has #{Text.bytes(Ledger.figures(ledger).size)} in all: it could never run"
  end

  defp now, do: System.monotonic_time(:millisecond)
end
