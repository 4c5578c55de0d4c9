defmodule Bench.Chaos.Clients do
  # Who asks, and what counts as right. Innocent clients and their processes are suspended, traced and collected, but never killed:
  # each of their answers must be right. Victims are killed, or lose the processes that work for them: each of their answers must be
  # right, or say that.

  alias Bench.Chaos.{Balloons, Requests}

  @pause_ms 5
  # The requests of one victim.
  @life 20
  @faults_kept 30

  @doc "Makes the tables: `:chaos_clients` of `{pid, :innocent | :victim}`, `:chaos_counts` and `:chaos_faults`."
  def init do
    for name <- [:chaos_clients, :chaos_counts, :chaos_faults],
        do: :ets.new(name, [:named_table, :public, write_concurrency: true])

    # Odd while the process table is full; whether the clients are to end.
    :persistent_term.put(__MODULE__, :atomics.new(2, []))
  end

  def stop?, do: :atomics.get(flags(), 2) == 1
  def stop, do: :atomics.put(flags(), 2, 1)
  def go, do: :atomics.put(flags(), 2, 0)

  @doc "Tells that the process table is full from here on, or no more."
  def full, do: :atomics.add(flags(), 1, 1)

  defp flags, do: :persistent_term.get(__MODULE__)

  @doc "A client that is never killed, which asks for `kinds`."
  def innocent(seed, pool, kinds \\ kinds()), do: client(seed, pool, :innocent, :infinity, kinds)

  @doc "A client for `Bench.Chaos.Victims`, which ends after some requests."
  def victim(seed, pool), do: client(seed, pool, :victim, @life, kinds())

  defp kinds, do: Requests.kinds() ++ Requests.elsewhere() ++ balloons()

  defp client(seed, pool, class, life, kinds) do
    :rand.seed(:exsss, {seed, 7, 11})
    :ets.insert(:chaos_clients, {self(), class})
    ask(List.to_tuple(kinds), pool, class, life)
    {_, left} = Process.info(self(), :message_queue_len)
    if left > 0, do: fault({class, :messages, Process.info(self(), :messages)})
    :ets.delete(:chaos_clients, self())
  end

  @doc "The kinds of balloons, as often as those of requests."
  def balloons, do: for(kind <- Balloons.kinds(), _ <- 1..4, do: {:balloon, kind})

  defp ask(requests, pool, class, life) do
    unless stop?() or life == 0 do
      kind = elem(requests, :rand.uniform(tuple_size(requests)) - 1)
      before = :atomics.get(flags(), 1)
      outcome = outcome(fn -> answer(kind, pool) end)
      full? = rem(before, 2) == 1 or :atomics.get(flags(), 1) != before
      verdict = verdict(kind, outcome, class, full?)
      count(class, kind, verdict)
      if verdict == :wrong, do: fault({class, kind, outcome})
      Process.sleep(:rand.uniform(@pause_ms + 1) - 1)
      ask(requests, pool, class, if(life == :infinity, do: life, else: life - 1))
    end
  end

  defp answer({:balloon, kind}, _pool), do: Balloons.run(kind)
  defp answer(kind, pool), do: Requests.ask(kind, pool)

  defp outcome(fun) do
    {:answer, fun.()}
  rescue
    error in Quota.ExceededError -> {:exceeded, error.category}
    SystemLimitError -> :system_limit
    error -> {:raised, error, __STACKTRACE__}
  catch
    kind, reason -> {kind, reason}
  end

  # `:right`, `:lost` with its node, `:full` as the process table was, `:killed` as a victim is, or `:wrong`.
  defp verdict(kind, outcome, class, full?) do
    cond do
      right?(kind, outcome) -> :right
      elem_of(kind) == :there and lost?(outcome) -> :lost
      full? and outcome == :system_limit -> :full
      class == :victim and killed?(outcome) -> :killed
      true -> :wrong
    end
  end

  # Up to OTP 26 a process has one tracer: where another one came first, its children are not known.
  defp right?({:balloon, :children}, {:answer, :returned}), do: Bounded.Vm.release() < 27
  # And nothing tells the VM's kill from another one.
  defp right?({:balloon, _}, {:exceeded, :unknown}), do: Bounded.Vm.release() < 27
  defp right?({:balloon, :limit}, {:exceeded, _}), do: true
  defp right?({:balloon, kind}, {:exceeded, category}), do: category in Balloons.categories(kind)
  defp right?({:balloon, _}, _outcome), do: false
  defp right?(kind, {:answer, answer}), do: answer == Requests.right(kind)
  defp right?(_kind, _outcome), do: false

  defp elem_of({_, setting}), do: setting

  # The node that was asked for is gone, or was before the call.
  defp lost?({:exit, {:nodedown, _}}), do: true
  defp lost?({:raised, %Quota.PoolFullError{}, _}), do: true
  defp lost?(_outcome), do: false

  defp killed?({:exit, {:killed, {Quota, :run, _}}}), do: true
  defp killed?({:exit, {{:guard_died, _}, {Quota, :run, _}}}), do: true
  defp killed?({:exit, :killed}), do: true
  defp killed?(_outcome), do: false

  defp count(class, kind, verdict) do
    name = {class, setting(kind), verdict}
    :ets.update_counter(:chaos_counts, name, 1, {name, 0})
  end

  defp setting({:balloon, _}), do: :balloon
  defp setting({_work, setting}), do: setting

  @doc "Keeps a fault for the report."
  def fault(fault) do
    if :ets.info(:chaos_faults, :size) < @faults_kept,
      do: :ets.insert(:chaos_faults, {System.unique_integer(), fault})
  end

  def faults, do: for({_, fault} <- :ets.tab2list(:chaos_faults), do: fault)
  def counts, do: :ets.tab2list(:chaos_counts)
end
