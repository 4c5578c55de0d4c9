defmodule Bench.Chaos.Left do
  # What a node has, to be compared with what it had.

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  alias Bounded.Native
  alias Bench.Chaos.{Names, Requests}

  @patience_ms 30_000
  @every_ms 100
  # The modules that are loaded, and the tables of this measurement.
  @own_tables [:code, :code_server, :chaos_counts, :chaos_faults]
  # The VM gives freed segments back one a second.
  @resident_ms 60_000

  @doc "Everything that is counted, by what it belongs to."
  def snapshot do
    processes = Process.list()

    %{
      processes: Enum.frequencies_by(processes, &label/1),
      monitors: sums(processes, :monitors),
      monitored_by: sums(processes, :monitored_by),
      links: sums(processes, :links),
      messages: sums(processes, :message_queue_len),
      traced: traced(processes),
      sessions: %{all: sessions()},
      ports: Enum.frequencies_by(Port.list(), &(&1 |> Port.info(:name) |> inspect())),
      rows: rows(),
      terms: Map.new(:persistent_term.get(), fn {key, _} -> {key, 1} end),
      accounts: accounts()
    }
  end

  @doc "`{what, whose, before, now}` of what is more than `before`, after it had time to go."
  def more(before, tries \\ div(@patience_ms, @every_ms)) do
    case compare(before, snapshot()) do
      [] ->
        []

      left when tries == 0 ->
        left

      _left ->
        Process.sleep(@every_ms)
        Enum.each(Process.list(), &:erlang.garbage_collect/1)
        more(before, tries - 1)
    end
  end

  defp compare(before, now) do
    for {what, figures} <- now,
        {whose, count} <- figures,
        had = max(Map.get(before[what], whose, 0), allowed(what, whose)),
        count > had,
        do: {what, whose, had, count}
  end

  # It starts when a quota needs it, and ends when none has for a while.
  defp allowed(:processes, Quota.Watch.OrphanMonitor), do: 1
  # One starts the others, which are one on each scheduler. They stay.
  defp allowed(:processes, Quota.Watch.TurnWatcher), do: 1
  defp allowed(:processes, {Quota.Watch.TurnWatcher, :watch, 1}), do: System.schedulers()
  defp allowed(_what, _whose), do: 0

  defp label(pid) do
    case Process.info(pid, [:registered_name, :initial_call, :dictionary]) do
      [{:registered_name, name}, _, _] when is_atom(name) -> name
      [_, {:initial_call, call}, {:dictionary, words}] -> known(words[:"$initial_call"] || call)
      nil -> :dead
    end
  end

  # The connection to the other node, whichever of the two has made it.
  defp known({:inet_tcp_dist, call, _}) when call in [:do_setup, :do_accept], do: :connection
  defp known(call), do: call

  # By process, as above: those of a whole kind together.
  defp sums(processes, item) do
    for pid <- processes, {^item, value} <- [Process.info(pid, item)], reduce: %{} do
      sums -> Map.update(sums, label(pid), size(value), &(&1 + size(value)))
    end
  end

  defp size(value) when is_list(value), do: length(value)
  defp size(value), do: value

  defp traced(processes) do
    flags =
      for pid <- [:new | processes],
          {:flags, flags} <- [:erlang.trace_info(pid, :flags)],
          is_list(flags),
          do: length(flags)

    %{all: Enum.sum(flags)}
  end

  # From OTP 27 all quotas share one.
  defp sessions do
    if Bounded.Vm.release() >= 27, do: length(:trace.session_info(:all)), else: 0
  end

  defp rows do
    for table <- :ets.all(),
        name = :ets.info(table, :name),
        name != :undefined and name not in @own_tables,
        reduce: %{} do
      rows -> Map.update(rows, name, size_of(table), &(&1 + size_of(table)))
    end
  end

  defp size_of(table) do
    case :ets.info(table, :size) do
      size when is_integer(size) -> size + 1
      :undefined -> 0
    end
  end

  defp accounts do
    {{_heap, _binaries, native, total, _peak}, orphaned, attached} = Native.node_usage()
    pool = Quota.Pool.info(Names.pool())

    %{
      native: native,
      total: total,
      orphaned: orphaned,
      attached: attached,
      quotas: length(Quota.list()),
      reserved: pool.reserved,
      running: pool.running,
      waiting: pool.waiting,
      answered_wrong: answered_wrong()
    }
  end

  # The node still answers every kind of request.
  defp answered_wrong do
    pool = Names.pool()
    kinds = for kind <- Requests.kinds(), elem(kind, 0) in [:parse, :fields, :heap], do: kind
    Enum.count(kinds, &(Requests.ask(&1, pool) != Requests.right(&1)))
  end

  @doc """
  Bytes of resident memory, the least that is seen until it is at most `enough` or within a minute, and what is in it: what the VM uses,
  by kind, and what its allocators keep and do not use.
  """
  def resident(enough \\ 0) do
    resident = resident(enough, read(), div(@resident_ms, @every_ms))
    {resident, Keyword.put(:erlang.memory(), :unused, unused())}
  end

  defp unused do
    allocators = Bounded.Facts.Allocators.gather(Bounded.Facts.Probe.new(node()))
    allocators.allocated + allocators.cached - allocators.used
  end

  defp resident(enough, least, tries) when least <= enough or tries == 0, do: least

  defp resident(enough, least, tries) do
    Process.sleep(@every_ms)
    if rem(tries, 10) == 0, do: Enum.each(Process.list(), &:erlang.garbage_collect/1)
    # At the start there is nothing to wait for but the least of some seconds.
    tries = if enough == 0 and tries > 100, do: 100, else: tries
    resident(enough, min(least, read()), tries - 1)
  end

  defp read do
    [_, kilobytes] = Regex.run(~r/VmRSS:\s+(\d+)/, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end
end
