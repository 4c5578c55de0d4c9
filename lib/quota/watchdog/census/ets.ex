defmodule Quota.Watchdog.Census.Ets do
  @moduledoc false
  # ETS tables that grew since the node was calm. The VM's figure for a table leaves out the binaries over 64 bytes that its rows reference.
  # While binaries grow that no process holds, those of the tables that grew most are estimated from a sample of their rows, by another
  # process.
  #
  #   * `baseline`: `{bytes, rows}` of each table when the node was last calm
  #   * `grown`: `{bytes grown, rows grown, table, bytes, rows}`, largest first
  #   * `arrivals`: see `Arrivals`, of the tables that grew
  #   * `sampled`: `{rows, estimate in bytes, or :unknown}` of each sampled table; `sampling`: when sampling began last

  alias Bounded.Vm
  alias Quota.Watch.Ets.TableSample
  alias Quota.Watchdog.Census.Arrivals

  defstruct baseline: %{}, sampled: %{}, sampling: nil, grown: [], arrivals: %{}

  # The number of tables whose binaries are estimated, and milliseconds between two estimates.
  @sampled 3
  @every_ms 50

  @doc "Reads all tables. While the node is calm, they become the baseline."
  def look(tables, calm) do
    now =
      for table <- :ets.all(),
          words = :ets.info(table, :memory),
          is_integer(words),
          do: {table, Vm.bytes(words), size(table)}

    if calm do
      %{
        tables
        | baseline: Map.new(now, fn {table, bytes, rows} -> {table, {bytes, rows}} end),
          sampled: %{},
          grown: [],
          arrivals: %{}
      }
    else
      grown =
        for {table, bytes, rows} <- now,
            {before, rows_before} = Map.get(tables.baseline, table, {0, 0}),
            bytes > before or rows > rows_before,
            do: {max(bytes - before, 0), max(rows - rows_before, 0), table, bytes, rows}

      grown = grown |> Enum.sort(:desc) |> Enum.take(16)
      %{tables | grown: grown, arrivals: arrivals(tables.arrivals, grown)}
    end
  end

  defp arrivals(arrivals, grown) do
    known = Arrivals.keep(arrivals, for({_, _, table, _, _} <- grown, do: table))
    now = now()

    Enum.reduce(grown, known, fn {_, _, table, _, rows}, known ->
      Arrivals.note(known, table, rows, now)
    end)
  end

  defp now, do: System.monotonic_time(:millisecond)

  defp size(table) do
    case :ets.info(table, :size) do
      size when is_integer(size) -> size
      :undefined -> 0
    end
  end

  @doc """
  Starts a process that estimates the binaries of the tables that grew by most rows, and sends `{:sampled, table, rows, estimate}` to the
  caller for each.
  """
  def sample(tables, limit) do
    now = now()

    if tables.sampling == nil or now - tables.sampling >= @every_ms do
      caller = self()
      most = tables.grown |> Enum.sort_by(&(-elem(&1, 1))) |> Enum.take(@sampled)
      if most != [], do: spawn_sampler(caller, most, limit)
      %{tables | sampling: now}
    else
      tables
    end
  end

  defp spawn_sampler(caller, most, limit) do
    :erlang.spawn_opt(
      fn ->
        for {_grown, rows_grown, table, bytes, rows} <- most, rows > 0, rows_grown > 0 do
          estimate =
            if :ets.info(table, :protection) in [:public, :protected],
              do: TableSample.binaries(table, rows, max(bytes, 1), limit, nil) || :unknown,
              else: :unknown

          send(caller, {:sampled, table, rows, estimate})
        end
      end,
      priority: :max
    )
  rescue
    # The process table is full.
    SystemLimitError -> :ok
  end

  @doc "Notes an estimate."
  def sampled(tables, table, rows, estimate),
    do: %{tables | sampled: Map.put(tables.sampled, table, {rows, estimate})}

  @doc """
  Tables that grew, as `[{grown, owner, %{table: _, name: _, rows: _, bytes: _, binaries: _}}]`, in bytes. `loose` are bytes of binaries
  that grew and that no process holds. Each table is given those of its rows. The private table that grew by most rows, which no other
  process can read, is given the rest. If that is `doubted`, rows must be arriving in it.
  """
  def grown(tables, loose, doubted) do
    {known, unknown} =
      tables.grown
      |> Enum.map(fn {grown, rows_grown, table, bytes, rows} ->
        {grown, binaries(tables.sampled[table], rows, rows_grown), table, bytes, rows, rows_grown}
      end)
      |> Enum.split_with(&is_integer(elem(&1, 1)))

    rest = max(loose - Enum.sum(for {_, binaries, _, _, _, _} <- known, do: binaries), 0)
    now = now()

    private =
      unknown
      |> Enum.filter(&(not doubted or Arrivals.lately?(tables.arrivals, elem(&1, 2), 1, now)))
      |> Enum.max_by(&elem(&1, 5), fn -> nil end)

    for {grown, binaries, table, bytes, rows, _} = row <- known ++ unknown,
        binaries =
          if(is_integer(binaries),
            do: min(binaries, loose),
            else: if(row == private, do: rest, else: 0)
          ),
        owner = :ets.info(table, :owner),
        is_pid(owner) do
      {grown + binaries, owner,
       %{
         table: table,
         name: :ets.info(table, :name),
         rows: rows,
         bytes: bytes,
         binaries: binaries
       }}
    end
  end

  defp binaries({_rows, :unknown}, _, _), do: :unknown

  defp binaries({rows, estimate}, now, grown) when rows > 0,
    do: div(estimate * min(grown, now), rows)

  defp binaries(_none, _, _), do: 0
end
