defmodule Quota.Watch.Ets do
  @moduledoc false
  # ETS tables owned by the processes that count towards a quota. Finding them takes a scan of all tables of the node, which uses at most a
  # twentieth of a core.
  #
  # The VM reports the memory of a table's terms, without the binaries over 64 bytes that they reference. Those are estimated from
  # a sample of the rows (`Quota.Watch.Ets.TableSample`) in tables that can be read. A table whose size did not change is sampled
  # again after a while, since replaced rows may reference larger binaries.

  alias Bounded.{Native, Vm}
  alias Quota.Watch.Ets.TableSample

  # `next`: when the next scan is due; `cost`: how long a scan takes; `known`: by table `{{rows, words}, bytes of binaries, until, fresh}`,
  # where `until` is when the table is sampled again, and `fresh` for how long that sample is used. Times are microseconds.
  defstruct next: 0, cost: 100, known: %{}

  # Scans take at most one part in this many of the time.
  @scan_share 20
  # Two estimates are alike if they differ by at most one part in this many.
  @alike 4
  # The estimated cost of a scan grows by at most one part in this many from one scan to the next.
  @slowdown 8
  # Microseconds after which a table of unchanged size is sampled again, at first and at most.
  @sample_us 100_000
  @most_sample_us 1_600_000

  @doc "Reports the tables' bytes to the account, unless it is too early. Takes nil or the result of the last call."
  def observe(nil, account, pid), do: observe(%__MODULE__{next: now()}, account, pid)

  def observe(%{next: next, known: known} = tables, account, pid) do
    now = now()

    if now >= next do
      counted = for table <- :ets.all(), info = counted(table, account), do: {table, info}
      words = Enum.sum(for {_table, {_size, words}} <- counted, do: words)
      known = binaries(counted, Vm.bytes(words), known, account, pid)
      binaries = Enum.sum(for {_table, {_info, bytes, _until, _fresh}} <- known, do: bytes)
      Native.account_observe_ets(account, Vm.bytes(words) + binaries)
      cost = cost(now() - now, tables.cost)
      %{tables | next: now() + cost * @scan_share, cost: cost, known: known}
    else
      tables
    end
  end

  @doc """
  Reports the tables' bytes as the work ends, however early. Every table is sampled again: its rows may have been replaced since.
  """
  def observe_last(nil, account, pid), do: observe(nil, account, pid)

  def observe_last(%{known: known} = tables, account, pid) do
    known =
      Map.new(known, fn {table, {info, bytes, _until, fresh}} ->
        {table, {info, bytes, now(), fresh}}
      end)

    observe(%{tables | next: now(), known: known}, account, pid)
  end

  # Microseconds of a scan. Time in which other processes ran must not count: it would delay the next scan when that is most
  # needed.
  defp cost(taken, before), do: min(taken, before + div(before, @slowdown) + 1)

  @doc "Milliseconds until the next scan."
  def milliseconds(%{next: next}), do: max(div(next - now(), 1_000) + 1, 1)

  # `{rows, words}` of a table that counts.
  defp counted(table, account) do
    with owner when is_pid(owner) <- :ets.info(table, :owner),
         true <- Native.account_counts(account, owner),
         size when is_integer(size) <- :ets.info(table, :size),
         words when is_integer(words) <- :ets.info(table, :memory) do
      {size, words}
    else
      _ -> nil
    end
  end

  # If the terms alone are over the limit, no sample is needed, and rows may be too large to be read.
  defp binaries(counted, bytes, known, account, pid) do
    limit = Native.account_limit(account)

    if bytes > limit,
      do: known,
      else:
        Map.new(counted, fn {table, info} -> {table, known(table, info, known, limit, pid)} end)
  end

  # While the size of a table and the estimate do not change much, each sample is used for twice as long as the one before.
  defp known(table, info, known, limit, pid) do
    case known do
      %{^table => {^info, bytes, until, fresh} = sampled} ->
        if now() < until,
          do: sampled,
          else: sampled(table, info, {bytes, fresh}, bytes, limit, pid)

      %{^table => {_info, bytes, _until, _fresh}} ->
        sampled(table, info, nil, bytes, limit, pid)

      _ ->
        sampled(table, info, nil, 0, limit, pid)
    end
  end

  # `last` is the last estimate, which stays where there is no new one.
  defp sampled(table, {size, words} = info, before, last, limit, pid) do
    bytes =
      if size > 0 and :ets.info(table, :protection) in [:public, :protected],
        do:
          estimate(before, fn ->
            TableSample.binaries(table, size, Vm.bytes(words), limit, pid)
          end) || last,
        else: 0

    fresh = fresh(bytes, before)
    {info, bytes, now() + fresh, fresh}
  end

  # An estimate that has fallen though the table has its size is made again: another process (`Quota.Watchdog.Census.Ets`) may
  # have read the same rows, and have held their binaries, at that moment.
  defp estimate(before, sample) do
    estimate = sample.()

    if estimate != nil and before != nil and fallen?(estimate, elem(before, 0)),
      do: max(estimate, sample.() || 0),
      else: estimate
  end

  defp fallen?(bytes, before), do: (before - bytes) * @alike > before

  # Estimates of one table differ a little: the references to a binary that other processes have come and go.
  defp fresh(bytes, {before, fresh}) when abs(bytes - before) * @alike <= before,
    do: min(fresh * 2, @most_sample_us)

  defp fresh(_bytes, _before), do: @sample_us

  defp now, do: System.monotonic_time(:microsecond)
end
