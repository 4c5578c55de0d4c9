defmodule Quota.Watch.Ets.TableSample do
  @moduledoc false
  # Bytes of the binaries over 64 bytes that the rows of a table reference.
  #
  # A helper process reads a bounded number of rows. The VM copies the rows to it, but only references to their binaries, and then
  # lists these binaries with the number of their references. A small table is read whole. A larger one is read in pieces, and the
  # mean of the pieces stands for all rows. The largest pieces are left out of the mean: one large row in the sample must not count
  # once for each hundred rows.

  alias Bounded.Vm

  @all [{:"$1", [], [:"$1"]}]
  # The largest number of rows read. Their terms may take one part in this many of the limit.
  @rows 400
  @rows_share 8
  @smallest_rows 128 * 1024
  # Pieces of a large table that are read, and how many of the largest are left out of the mean.
  @pieces 8
  @left_out 2
  # From one part in this many of the limit on, the process is asked which of the binaries it references itself.
  @holder_share 4
  # Milliseconds that the answer may take: a process in a call that does not yield cannot answer.
  @patience_ms 20

  @doc """
  Estimates the binaries of a table of `size` rows whose terms take `bytes`. Binaries that `pid` references count for that process and not
  here. Of a binary that other processes reference, the table's share of the references counts. Where `pid` does not answer in time,
  and where it is `:alone`, only binaries without other references count: the process may reference the others, and they would
  count twice.

  Returns nil where the rows could not be read: they are too large, or the helper was not scheduled in time.

  The references of another helper that reads the same rows at that moment count as those of any process, so one process samples
  the tables of a quota: its guard.
  """
  def binaries(table, size, bytes, limit, pid) do
    rows = rows(size, bytes, limit)
    estimate = apart(table, rows, size, limit, nil)

    if estimate != nil and estimate > div(limit, @holder_share),
      do: apart(table, rows, size, limit, pid) || apart(table, rows, size, limit, :alone),
      else: estimate
  end

  defp rows(size, bytes, limit) do
    affordable = div(max(div(limit, @rows_share), @smallest_rows) * size, bytes)
    affordable |> min(@rows) |> max(1)
  end

  # The heap limit ends the helper if rows are much larger than the mean. It counts no binaries, since none is copied.
  defp apart(table, rows, size, limit, pid) do
    {:priority, priority} = Process.info(self(), :priority)

    {helper, ref} =
      :erlang.spawn_opt(__MODULE__, :sample, [table, rows, size, pid], [
        :monitor,
        priority: priority,
        max_heap_size: Vm.heap_alone(max(div(limit, @rows_share), @smallest_rows) * 4)
      ])

    receive do
      {:DOWN, ^ref, _, _, reason} -> sampled(reason)
    after
      @patience_ms ->
        Process.exit(helper, :kill)
        # The next helper must not count the references of this one.
        receive(do: ({:DOWN, ^ref, _, _, reason} -> sampled(reason)))
    end
  rescue
    # The process table is full.
    SystemLimitError -> nil
  end

  defp sampled({:sampled, estimate}), do: estimate
  defp sampled(_killed), do: nil

  @doc false
  def sample(table, rows, size, pid) do
    estimate = estimate(table, rows, size, pid)

    # The end of a process is reported before its memory is freed, and the next helper must not count its references.
    :erlang.garbage_collect()
    exit({:sampled, estimate})
  end

  defp estimate(table, rows, size, pid) do
    held = held(pid)
    pieces = for rows <- read(table, rows, size), do: {rows, references()}
    parts = parts(held)
    # Uses the rows after the list was made, so that no collection drops them before.
    extrapolate(sums(pieces, parts), size)
  rescue
    # The table is gone.
    ArgumentError -> 0
  end

  # A stream, so that the references of each piece are seen. An ordered table is read from both ends: rows that were added later
  # may be larger.
  defp read(table, rows, size) do
    piece = max(div(rows, @pieces), 1)

    cond do
      size <= rows -> stream(:select, table, size, 1)
      :ets.info(table, :type) == :ordered_set -> both_ends(table, piece)
      true -> stream(:select, table, piece, @pieces)
    end
  end

  defp both_ends(table, piece) do
    half = div(@pieces, 2)

    Stream.concat(
      stream(:select, table, piece, half),
      stream(:select_reverse, table, piece, half)
    )
  end

  defp stream(select, table, rows, pieces) do
    fn -> apply(:ets, select, [table, @all, rows]) end
    |> Stream.unfold(fn read ->
      with {rows, continuation} <- read.(),
           do: {rows, fn -> apply(:ets, select, [continuation]) end},
           else: (:"$end_of_table" -> nil)
    end)
    |> Stream.take(pieces)
  end

  # The number of references that this process has to each binary.
  defp references do
    {:binary, binaries} = Process.info(self(), :binary)
    Enum.frequencies_by(binaries, fn {address, _bytes, _holders} -> address end)
  end

  # Bytes that one reference to a binary counts for: the other references count for the rest.
  defp parts(held) do
    own = references()
    {:binary, binaries} = Process.info(self(), :binary)

    for {address, bytes, holders} <- binaries,
        others = max(holders - Map.get(own, address, 0), 1),
        counts?(held, address, others),
        into: %{},
        do: {address, div(bytes, others)}
  end

  # `{rows, bytes}` of each piece, by the references that its rows added.
  defp sums(pieces, parts) do
    {sums, _before} =
      Enum.map_reduce(pieces, %{}, fn {rows, references}, before ->
        bytes =
          for {address, count} <- references, reduce: 0 do
            sum -> sum + (count - Map.get(before, address, 0)) * Map.get(parts, address, 0)
          end

        {{length(rows), bytes}, references}
      end)

    sums
  end

  defp counts?(:alone, _address, others), do: others == 1
  defp counts?(held, address, _others), do: not is_map_key(held, address)

  defp held(:alone), do: :alone
  defp held(nil), do: %{}

  defp held(pid) do
    case Process.info(pid, :binary) do
      {:binary, binaries} -> Map.new(binaries, fn {address, _, _} -> {address, true} end)
      nil -> %{}
    end
  end

  defp extrapolate(pieces, size) do
    sampled = Enum.sum(for {_rows, bytes} <- pieces, do: bytes)

    if Enum.sum(for {rows, _bytes} <- pieces, do: rows) >= size,
      do: sampled,
      else: max(sampled, size * usual(pieces))
  end

  # Bytes per row, without the largest pieces.
  defp usual(pieces) do
    kept =
      pieces |> Enum.sort_by(fn {rows, bytes} -> bytes / rows end, :desc) |> Enum.drop(@left_out)

    rows = Enum.sum(for {rows, _bytes} <- kept, do: rows)
    div(Enum.sum(for {_rows, bytes} <- kept, do: bytes), max(rows, 1))
  end
end
