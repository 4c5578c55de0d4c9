defmodule Bench.Watchdog.Rounds do
  # Rounds of one kind of balloon in this VM, beside bystanders. Each round is written to a file as it ends: the kernel may kill the VM.

  alias Bench.Watchdog.Kinds

  @bystanders 8
  @every_ms 5
  # Time for a balloon to be ended, and for its memory to come back.
  @round_ms 15_000
  @rest_ms 15_000

  def main(name, rounds, rate, options, file) do
    {:ok, _} = Application.ensure_all_started(:bounded)
    # Writing each event of a logging balloon to the screen would take longer than all else.
    unless System.get_env("VERBOSE"),
      do: Enum.each(:logger.get_handler_ids(), &:logger.remove_handler/1)

    :ets.new(:culprits, [:named_table, :public])
    if options, do: {:ok, _} = Quota.Watchdog.start_link(options)
    if options, do: Process.unlink(Process.whereis(Quota.Watchdog))
    kind = Kinds.fetch!(name)
    Process.sleep(1_500)
    start = usage()
    for n <- 1..rounds, do: write(file, round(kind, rate, n < rounds && start))
    System.halt(0)
  end

  defp write(file, term),
    do: File.write!(file, [term |> :erlang.term_to_binary() |> Base.encode64(), ?\n], [:append])

  defp round(kind, rate, start) do
    :ets.delete_all_objects(:culprits)
    bystanders = for _ <- 1..@bystanders, do: spawn_monitor(&bystander/0)
    me = self()
    prober = spawn_link(fn -> probe(me, Enum.map(bystanders, &elem(&1, 0)), 0) end)
    started = System.monotonic_time(:millisecond)
    main = spawn(fn -> kind.(rate) end)
    :ets.insert(:culprits, {main})
    ended = await(main, started + @round_ms)
    took = System.monotonic_time(:millisecond) - started
    # What the kill gives back, and the processes that are in its way.
    Process.sleep(300)
    dead = for {pid, _} <- bystanders, not Process.alive?(pid), do: pid
    send(prober, :stop)
    slowest = receive(do: ({:slowest, ms} -> ms))
    for {pid} <- :ets.tab2list(:culprits), do: Process.exit(pid, :kill)
    for {pid, _} <- bystanders, do: Process.exit(pid, :kill)
    # Before the next round.
    if start, do: rest(start + 60_000_000, System.monotonic_time(:millisecond) + @rest_ms)
    %{ended: ended, bystanders: length(dead), slowest: slowest, took: took}
  end

  # The culprit has ended when one of its processes is dead.
  defp await(main, deadline) do
    cond do
      Enum.any?(:ets.tab2list(:culprits), fn {pid} -> not Process.alive?(pid) end) -> true
      System.monotonic_time(:millisecond) > deadline -> false
      true -> Process.sleep(5) && await(main, deadline)
    end
  end

  # Holds a little, makes garbage, and answers.
  defp bystander(held \\ Enum.to_list(1..2_000)) do
    receive do
      {:ping, from, ref} ->
        send(from, {:pong, ref, Enum.sum(held)})
        bystander(held)
    end
  end

  defp probe(parent, bystanders, slowest) do
    asked = System.monotonic_time(:microsecond)
    ref = make_ref()
    for pid <- bystanders, do: send(pid, {:ping, self(), ref})
    alive = Enum.count(bystanders, &Process.alive?/1)
    for _ <- 1..alive//1, do: receive(do: ({:pong, ^ref, _} -> :ok), after: (1_000 -> :ok))
    slowest = max(slowest, System.monotonic_time(:microsecond) - asked)

    receive do
      :stop -> send(parent, {:slowest, div(slowest, 1_000)})
    after
      @every_ms -> probe(parent, bystanders, slowest)
    end
  end

  defp rest(calm, deadline) do
    if usage() > calm and System.monotonic_time(:millisecond) < deadline do
      Process.sleep(50)
      rest(calm, deadline)
    end
  end

  defp usage do
    memory = Bounded.Cgroup.memory(Bounded.Cgroup.find())
    memory.usage - memory.reclaimable
  end
end
