defmodule Quota.TableSample do
  @moduledoc false
  # Bytes of the binaries over 64 bytes that the rows of a table refer to.
  #
  # A process of its own reads a bounded number of rows. They are copied to it, and with them references to their
  # binaries, not the binaries: so the VM lists these as its own, with how many references there are in all.
  # A small table is read whole. A larger one is read by pieces, and their mean stands for all, without those that
  # hold most: a large row that happens to be in the sample must not count once for each hundred rows.

  alias Quota.Vm

  @all [{:"$1", [], [:"$1"]}]
  # Rows that are read, and what they may take of the limit, as terms.
  @rows 400
  @affordable 8
  @smallest 128 * 1024
  # So many pieces of a large table are read, and so many of them left out.
  @pieces 8
  @left_out 2
  # From this part of the limit on, the work is asked which of the binaries it holds itself.
  @worth_asking 4
  # Milliseconds that the answer may take. Work in a call that does not yield cannot tell what it holds.
  @patience 20

  @doc """
  The estimate for a table of `size` rows that takes `bytes` as terms. Binaries that `pid` holds count there and not here. One that
  others hold counts by the table's share of the references to it.
  """
  def binaries(table, size, bytes, limit, pid) do
    rows = rows(size, bytes, limit)
    estimate = apart(table, rows, size, limit, nil) || 0

    if estimate > div(limit, @worth_asking),
      do: apart(table, rows, size, limit, pid) || estimate,
      else: estimate
  end

  defp rows(size, bytes, limit) do
    affordable = div(max(div(limit, @affordable), @smallest) * size, bytes)
    affordable |> min(@rows) |> max(1)
  end

  # The VM ends it where rows are much larger than the mean. Binaries are left out of that: none is copied.
  defp apart(table, rows, size, limit, pid) do
    {:priority, priority} = Process.info(self(), :priority)

    {helper, ref} =
      :erlang.spawn_opt(fn -> exit({:sampled, estimate(table, rows, size, pid)}) end, [
        :monitor,
        priority: priority,
        max_heap_size: Vm.heap_alone(max(div(limit, @affordable), @smallest) * 4)
      ])

    receive do
      {:DOWN, ^ref, _, _, {:sampled, estimate}} -> estimate
      {:DOWN, ^ref, _, _, _} -> nil
    after
      @patience ->
        Process.demonitor(ref, [:flush])
        Process.exit(helper, :kill)
        nil
    end
  rescue
    # There are as many processes as there can be.
    SystemLimitError -> nil
  end

  defp estimate(table, rows, size, pid) do
    held = held(pid)
    pieces = for rows <- read(table, rows, size), do: {rows, references()}
    parts = parts(held)
    # The rows are in use until here, and with them what they refer to.
    extrapolate(sums(pieces, parts), size)
  rescue
    # The table is gone.
    ArgumentError -> 0
  end

  # A stream, so that what each piece refers to is seen. An ordered table is read from both ends: rows that were
  # added later may be larger.
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

  # How many references to each binary this process has by now.
  defp references do
    {:binary, binaries} = Process.info(self(), :binary)
    Enum.frequencies_by(binaries, fn {address, _bytes, _holders} -> address end)
  end

  # What one reference to a binary counts for: the rest of it counts where the other references are.
  defp parts(held) do
    own = references()
    {:binary, binaries} = Process.info(self(), :binary)

    for {address, bytes, holders} <- binaries, not is_map_key(held, address), into: %{} do
      {address, div(bytes, max(holders - Map.get(own, address, 0), 1))}
    end
  end

  # `{rows, bytes}` of each piece, by the references that came with it.
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

  # Bytes a row, of the pieces that hold least.
  defp usual(pieces) do
    kept =
      pieces |> Enum.sort_by(fn {rows, bytes} -> bytes / rows end, :desc) |> Enum.drop(@left_out)

    rows = Enum.sum(for {rows, _bytes} <- kept, do: rows)
    div(Enum.sum(for {_rows, bytes} <- kept, do: bytes), max(rows, 1))
  end
end
