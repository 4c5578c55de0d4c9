defmodule Quota.Pool.Server do
  @moduledoc false
  # Keeps the wait queue of a pool. A request that finds room is admitted by the native ledger, which outlives this process
  # with all reservations.
  #
  # A waiter's key begins with the time at which it began to wait. After a crash the waiters queue again, in the same order.

  use GenServer

  alias Bounded.{Cgroup, Native}
  alias Quota.Pressure
  alias Quota.Pool.{Ledger, Overshoot, Size}
  require Logger

  # Interval at which released bytes without a message are found: the last reference to a binary, a killed caller.
  @retry_ms 10
  # After a crash, time for waiters to queue again before new requests are admitted.
  @regroup_ms 20
  @pressure_ms 500

  # `granted`: a request was admitted, and this process's garbage may refer to its account.
  defstruct [
    :pool,
    :max_waiting,
    retrying: false,
    granted: false,
    queue: :gb_trees.empty(),
    waiters: %{}
  ]

  def start_link(options) do
    GenServer.start_link(__MODULE__, options, name: Keyword.fetch!(options, :name))
  end

  @doc "Waits for admission. Returns `:ok` or `:queue_full`. Exits like `GenServer.call/3`, with :timeout at the deadline."
  def wait(name, waiter, timeout), do: GenServer.call(name, {:wait, waiter}, timeout)

  @doc "Removes the waiter with that key from the queue."
  def leave(name, key), do: GenServer.cast(name, {:leave, key})

  @impl true
  def init(options) do
    name = options[:name]

    case pool(name, options[:size]) do
      {:ok, pool} ->
        Ledger.put(name, %Ledger{
          pool: pool,
          size: options[:size],
          percent: Overshoot.percent(),
          max_waiting: options[:max_waiting]
        })

        Native.pool_keep(pool)
        watch_pressure(pool)
        {:ok, retry(%__MODULE__{pool: pool, max_waiting: options[:max_waiting]}, @regroup_ms)}

      {:error, reason} ->
        {:stop,
         {%ArgumentError{message: "cannot start the pool #{inspect(name)}: #{reason}"}, []}}
    end
  end

  # Takes the native pool of an earlier server of this name, if there was one: reservations outlive the process.
  defp pool(name, size) do
    case Ledger.get(name) do
      %{pool: pool, size: ^size} ->
        {:ok, pool}

      before ->
        reserved = Ledger.reserved_by_others(name)

        with {:ok, resolved} <- Size.resolve(size, reserved, resident(before), Cgroup.find()) do
          Logger.info(Size.note(name, resolved, Overshoot.percent()))
          {:ok, sized(before, resolved.bytes)}
        end
    end
  end

  defp sized(nil, bytes), do: Native.pool_new(bytes)

  defp sized(%{pool: pool}, bytes) do
    Native.pool_resize(pool, bytes)
    pool
  end

  # Memory that is reserved in this pool already does not count as held by the node.
  defp resident(nil), do: Size.resident()
  defp resident(ledger), do: max(Size.resident() - Ledger.figures(ledger).reserved, 0)

  @impl true
  def handle_call({:wait, waiter}, {pid, _} = from, state) do
    if map_size(state.waiters) >= state.max_waiting do
      {:reply, :queue_full, state}
    else
      monitor = Process.monitor(pid)
      waiter = Map.merge(waiter, %{from: from, monitor: monitor})
      queue = :gb_trees.insert(waiter.key, waiter, state.queue)
      state = %{state | queue: queue, waiters: Map.put(state.waiters, monitor, waiter.key)}
      # Before `admit/1`: bytes that are released from now on send `:room`.
      Native.pool_set_waiting(state.pool, map_size(state.waiters))
      {:noreply, admit(state)}
    end
  end

  @impl true
  def handle_cast({:leave, key}, state) do
    case :gb_trees.lookup(key, state.queue) do
      {:value, waiter} -> {:noreply, state |> forget(waiter) |> admit()}
      :none -> {:noreply, state}
    end
  end

  @impl true
  def handle_info(:room, state), do: {:noreply, admit(state)}

  def handle_info(:retry, state),
    do: {:noreply, admit(forget_granted(%{state | retrying: false}))}

  def handle_info({:DOWN, monitor, :process, _, _}, state) do
    case state.waiters do
      %{^monitor => key} ->
        {:noreply, state |> forget(:gb_trees.get(key, state.queue)) |> admit()}

      _ ->
        {:noreply, state}
    end
  end

  def handle_info(:pressure, state) do
    watch_pressure(state.pool)
    {:noreply, admit(state)}
  end

  def handle_info(_stray, state), do: {:noreply, state}

  # In order of arrival: while there is no room for the head, no waiter behind it is admitted.
  defp admit(state) do
    if :gb_trees.is_empty(state.queue) do
      Native.pool_set_waiting(state.pool, 0)
      state
    else
      {_key, head} = :gb_trees.smallest(state.queue)

      cond do
        # Its caller timed out. The message of `leave/2` is on its way.
        expired?(head) ->
          state |> forget(head) |> admit()

        Native.pool_admit(state.pool, head.account, head.charge, true) == :ok ->
          GenServer.reply(head.from, :ok)
          %{state | granted: true} |> forget(head) |> retry(@retry_ms) |> admit()

        true ->
          Native.pool_set_waiting(state.pool, map_size(state.waiters))
          retry(state, @retry_ms)
      end
    end
  end

  # If its caller was killed before it started the work, the memory is released with the last reference to the account.
  defp forget_granted(%{granted: true} = state) do
    :erlang.garbage_collect()
    %{state | granted: false}
  end

  defp forget_granted(state), do: state

  defp forget(state, %{key: key, monitor: monitor}) do
    Process.demonitor(monitor, [:flush])

    %{
      state
      | queue: :gb_trees.delete(key, state.queue),
        waiters: Map.delete(state.waiters, monitor)
    }
  end

  defp expired?(%{deadline: :infinity}), do: false
  defp expired?(%{deadline: deadline}), do: System.monotonic_time(:millisecond) > deadline

  defp retry(%{retrying: true} = state, _ms), do: state

  defp retry(state, ms) do
    Process.send_after(self(), :retry, ms)
    %{state | retrying: true}
  end

  defp watch_pressure(pool) do
    Native.pool_set_paused(pool, Pressure.level() == :critical)
    Process.send_after(self(), :pressure, @pressure_ms)
  end
end
