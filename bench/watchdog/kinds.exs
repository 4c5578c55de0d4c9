defmodule Bench.Watchdog.Kinds do
  # Balloons that no quota limits. Each grows by `rate` bytes a second at most, and holds at most `@most` bytes.
  #
  # A kind is a function of the rate that runs in a process of its own. Processes that belong to it are started by `child/1`, so that
  # they count as the culprit.

  @most 420_000_000
  @megabyte 1_000_000

  @doc "Every kind: `{name, function}`."
  def all do
    [
      {"lists", &lists/1},
      {"maps", &maps/1},
      {"1 MB binaries", &large_binaries/1},
      {"100-byte binaries", &small_binaries/1},
      {"ETS table of terms", &table_of_terms/1},
      {"ETS table of binaries", &table_of_binaries/1},
      {"2,000 processes of 200 KB", &many(&1, 2_000, 200_000)},
      {"200 processes of 2 MB", &many(&1, 200, 2_000_000)},
      {"flooded GenServer", &flooded/1},
      {"mailbox of 1 MB binaries", &mailbox/1},
      {"Task.async_stream", &tasks/1},
      {"File.read in 20 processes", &files/1},
      {"leaking logger handler", &logger/1},
      {"persistent terms", &persistent_terms/1}
    ]
  end

  def fetch!(name), do: all() |> List.keyfind!(name, 0) |> elem(1)

  @doc "A process that belongs to the culprit of this round."
  def child(fun) do
    pid = spawn(fun)
    :ets.insert(:culprits, {pid})
    pid
  end

  defp culprit(pid), do: :ets.insert(:culprits, {pid})

  # Sleeps until `bytes` more may be held at this rate. What a busy machine has kept it from is made up for 10 ms at most: otherwise a
  # balloon that was kept waiting would grow at any rate.
  defp pace(bytes, rate, due) do
    now = System.monotonic_time(:microsecond)
    due = max(due, now - 10_000) + div(bytes * 1_000_000, rate)
    if due - now >= 1_000, do: Process.sleep(div(due - now, 1_000))
    due
  end

  defp start, do: System.monotonic_time(:microsecond)

  # Adds `step` bytes at a time by `add`, until there are `@most`, and keeps what there is.
  defp grow(state, step, rate, add) do
    {state, _due} =
      Enum.reduce(1..div(@most, step), {state, start()}, fn n, {state, due} ->
        state = add.(state, n)
        {state, pace(step, rate, due)}
      end)

    Process.sleep(:infinity)
    state
  end

  # 16 bytes a cell.
  defp lists(rate), do: grow([], @megabyte, rate, fn list, _ -> cells(list, 62_500) end)

  defp cells(list, 0), do: list
  defp cells(list, n), do: cells([n | list], n - 1)

  # Some 40 bytes an entry that stays.
  defp maps(rate) do
    grow(%{}, @megabyte, rate, fn map, n ->
      Enum.reduce(1..25_000, map, &Map.put(&2, n * 25_000 + &1, &1))
    end)
  end

  defp large_binaries(rate),
    do: grow([], @megabyte, rate, fn list, _ -> [:binary.copy(<<1>>, @megabyte) | list] end)

  # With their references some 190 bytes each.
  defp small_binaries(rate) do
    grow([], @megabyte, rate, fn list, _ ->
      Enum.reduce(1..5_200, list, fn _, list -> [:binary.copy(<<1>>, 100) | list] end)
    end)
  end

  # 80 to 100 bytes a row.
  defp table_of_terms(rate) do
    table = :ets.new(:terms, [:public])

    grow(table, @megabyte, rate, fn table, n ->
      for i <- 1..10_000, do: :ets.insert(table, {n * 10_000 + i, i, i})
      table
    end)
  end

  defp table_of_binaries(rate) do
    table = :ets.new(:binaries, [:public])

    grow(table, @megabyte, rate, fn table, n ->
      for i <- 1..100, do: :ets.insert(table, {{n, i}, :binary.copy(<<1>>, 10_000)})
      table
    end)
  end

  defp many(rate, count, bytes) do
    Enum.reduce(1..count, start(), fn _, due ->
      child(fn ->
        list = cells([], div(bytes, 20))
        Process.sleep(60_000)
        length(list)
      end)

      pace(bytes, rate, due)
    end)

    Process.sleep(:infinity)
  end

  # Messages of a kilobyte to a server that is slow.
  defp flooded(rate) do
    {:ok, server} = Agent.start(fn -> nil end)
    culprit(server)
    Agent.cast(server, fn _ -> Process.sleep(:infinity) end)
    message = Enum.to_list(1..62)

    grow(server, @megabyte, rate, fn server, _ ->
      for _ <- 1..1_000, do: send(server, message)
      server
    end)
  end

  defp mailbox(rate) do
    receiver = child(fn -> Process.sleep(:infinity) end)

    grow(receiver, @megabyte, rate, fn receiver, _ ->
      send(receiver, :binary.copy(<<1>>, @megabyte))
      receiver
    end)
  end

  defp tasks(rate) do
    1..140
    |> Task.async_stream(
      fn _ ->
        culprit(self())
        # Four at a time.
        pace(4 * 3_000_000, rate, start())
        item = cells([], 190_000)
        # A task that ends by itself was not ended.
        :ets.delete(:culprits, self())
        item
      end,
      max_concurrency: 4,
      timeout: :infinity
    )
    |> Enum.to_list()
    |> then(fn lists -> {Process.sleep(:infinity), lists} end)
  end

  defp files(rate) do
    path = Path.join(System.tmp_dir!(), "bench-watchdog-#{System.pid()}")
    unless File.exists?(path), do: File.write!(path, :binary.copy(<<1>>, 20 * @megabyte))

    Enum.reduce(1..20, start(), fn _, due ->
      child(fn ->
        read = File.read!(path)
        Process.sleep(60_000)
        byte_size(read)
      end)

      pace(20 * @megabyte, rate, due)
    end)

    Process.sleep(:infinity)
  end

  defp logger(rate) do
    owner =
      child(fn ->
        :ets.new(:leak, [:named_table, :public])
        Process.sleep(:infinity)
      end)

    wait(fn -> :ets.whereis(:leak) != :undefined end)
    :logger.add_handler(:leaky, Bench.Watchdog.LeakyHandler, %{})

    try do
      grow(owner, @megabyte, rate, fn owner, n ->
        for i <- 1..500, do: :logger.error("event ~p of ~p", [i, n])
        owner
      end)
    after
      :logger.remove_handler(:leaky)
    end
  end

  defp wait(ready?), do: unless(ready?.(), do: Process.sleep(1) && wait(ready?))

  defp persistent_terms(rate) do
    grow(nil, @megabyte, rate, fn _, n ->
      :persistent_term.put({:leak, n}, Enum.to_list(1..62_500))
      nil
    end)
  end
end

defmodule Bench.Watchdog.LeakyHandler do
  # Keeps every event.
  def log(event, _config) do
    :ets.insert(:leak, {make_ref(), event, :binary.copy(<<1>>, 1_000)})
    :ok
  end
end
