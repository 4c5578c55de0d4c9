defmodule Quota.Tables do
  @moduledoc false
  # ETS tables owned by the processes that count towards a quota. Finding them takes a look at every
  # table of the node, so that is done as often as it may take a twentieth of a core.
  #
  # The VM counts the terms in a table, but not the binaries over 64 bytes that they refer to: those are
  # estimated from a sample of its rows (`Quota.TableSample`), in tables that may be read. One that has neither
  # grown nor shrunk is sampled again only after a while: replaced rows may refer to larger binaries.

  alias Bounded.Native
  alias Quota.{TableSample, Vm}

  defstruct next: 0, cost: 100, known: %{}

  @share 20
  # A look is taken to cost at most this part more than the one before.
  @more 8
  # Microseconds that the sample of a table of the same size is good for.
  @fresh 100_000

  @doc "Reports their bytes to the account, unless it is too early. Takes and returns what to hand in at the next look."
  def observe(nil, account, pid), do: observe(%__MODULE__{next: now()}, account, pid)

  def observe(%{next: next, known: known} = tables, account, pid) do
    now = now()

    if now >= next do
      counted = for table <- :ets.all(), info = counted(table, account), do: {table, info}
      words = Enum.sum(for {_table, {_size, words}} <- counted, do: words)
      known = binaries(counted, Vm.bytes(words), known, account, pid)
      binaries = Enum.sum(for {_table, {_info, bytes, _until}} <- known, do: bytes)
      Native.account_observe_ets(account, Vm.bytes(words) + binaries)
      cost = cost(now() - now, tables.cost)
      %{tables | next: now() + cost * @share, cost: cost, known: known}
    else
      tables
    end
  end

  # What a look takes, without the time in which others had the scheduler: that would put off the next look when it
  # is most needed.
  defp cost(taken, before), do: min(taken, before + div(before, @more) + 1)

  @doc "Milliseconds until it is time to look again."
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

  # Where the terms alone are over the limit, no binaries are needed to know that, and rows may be too large to be read.
  defp binaries(counted, bytes, known, account, pid) do
    limit = Native.account_limit(account)

    if bytes > limit,
      do: known,
      else:
        Map.new(counted, fn {table, info} -> {table, known(table, info, known, limit, pid)} end)
  end

  defp known(table, {size, words} = info, known, limit, pid) do
    case known do
      %{^table => {^info, _bytes, until} = sampled} ->
        if now() < until, do: sampled, else: sampled(table, size, words, limit, pid)

      _ ->
        sampled(table, size, words, limit, pid)
    end
  end

  defp sampled(_table, 0, words, _limit, _pid), do: {{0, words}, 0, now() + @fresh}

  defp sampled(table, size, words, limit, pid) do
    bytes =
      if :ets.info(table, :protection) in [:public, :protected],
        do: TableSample.binaries(table, size, Vm.bytes(words), limit, pid),
        else: 0

    {{size, words}, bytes, now() + @fresh}
  end

  defp now, do: System.monotonic_time(:microsecond)
end
