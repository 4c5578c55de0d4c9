defmodule Bench.Chaos.Victims do
  # Keeps a number of victims alive, one after the other, and finds the processes that work for a client.

  alias Bench.Chaos.Clients

  @watchers [
    Quota.Watch.Guard,
    Quota.Watch.ChildWatcher,
    Quota.Watch.BatchWatcher,
    Quota.Watch.Children
  ]

  @doc "Returns when the clients are to end, and all victims have."
  def keep(count, pool) do
    victims = for n <- 1..count, into: %{}, do: start(n, pool)
    keep(victims, pool, count)
  end

  defp keep(victims, _pool, _seed) when map_size(victims) == 0, do: :ok

  defp keep(victims, pool, seed) do
    receive do
      {:DOWN, ref, _, pid, _reason} ->
        :ets.delete(:chaos_clients, pid)
        victims = Map.delete(victims, ref)
        if Clients.stop?(), do: keep(victims, pool, seed), else: replace(victims, pool, seed + 1)
    end
  end

  defp replace(victims, pool, seed) do
    {ref, pid} = start(seed, pool)
    keep(Map.put(victims, ref, pid), pool, seed)
  end

  # Again and again while the process table is full.
  defp start(seed, pool) do
    {pid, ref} = spawn_monitor(fn -> Clients.victim(seed, pool) end)
    {ref, pid}
  rescue
    SystemLimitError -> Process.sleep(5) && start(seed, pool)
  end

  @doc "A victim, or nil."
  def random do
    case :ets.select(:chaos_clients, [{{:"$1", :victim}, [], [:"$1"]}]) do
      [] -> nil
      victims -> Enum.random(victims)
    end
  end

  @doc "Any client, or nil."
  def client do
    case :ets.select(:chaos_clients, [{{:"$1", :_}, [], [:"$1"]}]) do
      [] -> nil
      clients -> Enum.random(clients)
    end
  end

  @doc "The worker, the guard and the watchers of a client, as far as they can be seen from outside."
  def helpers(client) do
    direct = monitored(client)
    (direct ++ Enum.flat_map(direct, &monitored/1)) |> Enum.uniq() |> Enum.filter(&helper?/1)
  end

  defp monitored(pid) do
    case Process.info(pid, :monitors) do
      {:monitors, monitors} ->
        for {:process, pid} when is_pid(pid) <- monitors, local?(pid), do: pid

      nil ->
        []
    end
  end

  defp local?(pid), do: node(pid) == node()

  # A worker is an anonymous function; a client is too, but is in the table.
  defp helper?(pid) do
    case Process.info(pid, :initial_call) do
      {:initial_call, {:erlang, :apply, 2}} -> not :ets.member(:chaos_clients, pid)
      {:initial_call, {module, _, _}} -> module in @watchers
      nil -> false
    end
  end
end
