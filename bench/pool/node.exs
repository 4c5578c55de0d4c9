# One node under load, inside a memory-limited control group: `elixir ... node.exs pool|bare SECONDS CLIENTS`.
# Prints a line `at reserved size running` every 100 ms, and what happened as its last line.
defmodule Bench.Pool.Node do
  @smallest Quota.mib(8)
  @largest Quota.mib(64)
  # One request in this number uses far more than it asked for.
  @liars 10

  def main(kind, seconds, clients) do
    {:ok, tally} = Agent.start_link(fn -> [] end)
    pool = if kind == "pool", do: start_pool()
    started = now()
    until = started + seconds * 1_000
    # Not to be kept from telling by those it tells of.
    :erlang.spawn_opt(fn -> tell(pool, started) end, priority: :high)

    1..clients
    |> Enum.map(fn seed ->
      spawn_monitor(fn ->
        :rand.seed(:exsss, {seed, 3, 5})
        outcomes = client(pool, until, [])
        Agent.update(tally, &[outcomes | &1], :infinity)
      end)
    end)
    |> Enum.each(fn {pid, ref} -> receive do: ({:DOWN, ^ref, _, ^pid, :normal} -> :ok) end)

    outcomes = Agent.get(tally, &List.flatten/1, :infinity)
    drained = pool && drained(pool, 100)
    result = %{outcomes: outcomes, info: pool && Quota.Pool.info(pool), drained: drained}
    IO.puts("result " <> (result |> :erlang.term_to_binary([:compressed]) |> Base.encode64()))
  end

  defp start_pool do
    {:ok, _} =
      Supervisor.start_link([{Quota.Pool, name: Bench.Memory, size: {:fraction, 0.7}}],
        strategy: :one_for_one
      )

    Bench.Memory
  end

  # Whether all promises go back, looking so many times.
  defp drained(_pool, 0), do: false

  defp drained(pool, times) do
    case Quota.Pool.info(pool) do
      %{reserved: 0, running: 0} -> true
      _ -> Process.sleep(10) && drained(pool, times - 1)
    end
  end

  defp tell(pool, started) do
    info = if pool, do: Quota.Pool.info(pool), else: %{reserved: 0, size: 0, running: 0}
    IO.puts("at #{now() - started} #{info.reserved} #{info.size} #{info.running}")
    Process.sleep(100)
    tell(pool, started)
  end

  defp client(pool, until, outcomes) do
    if now() >= until do
      outcomes
    else
      limit = @smallest + :rand.uniform(@largest - @smallest)
      honest = :rand.uniform(@liars) > 1
      options = if pool, do: [pool: pool], else: []
      outcome = request(limit, honest, options)
      # A client comes back after a while, as `retry-after` tells it to.
      Process.sleep(:rand.uniform(100))
      client(pool, until, [outcome | outcomes])
    end
  end

  # {what it was, what came of it, microseconds}
  defp request(limit, honest, options) do
    kind = :rand.uniform(2)
    work = if honest, do: honest(kind, limit), else: lying(kind)
    started = System.monotonic_time(:microsecond)

    outcome =
      case Quota.try_run(limit, work, options) do
        {:ok, answer} -> if answer == expected(kind, limit), do: :right, else: :wrong
        {:error, %Quota.PoolFullError{}} -> :refused
        {:error, %Quota.ExceededError{}} -> :exceeded
      end

    {if(honest, do: :honest, else: :lying), outcome,
     System.monotonic_time(:microsecond) - started}
  end

  # A list that is built and turned round takes more than ten times its size of heap, which grows in steps.
  defp honest(1, limit) do
    fn ->
      list = Enum.to_list(1..cells(limit))
      Process.sleep(20)
      Enum.sum(list)
    end
  end

  defp honest(2, limit) do
    fn ->
      pieces = for _ <- 1..pieces(limit), do: BoundedBinary.copy(:binary.copy("x", 100_000))
      Process.sleep(20)
      pieces |> Enum.map(&byte_size/1) |> Enum.sum()
    end
  end

  defp expected(1, limit), do: div(cells(limit) * (cells(limit) + 1), 2)
  defp expected(2, limit), do: pieces(limit) * 100_000

  defp cells(limit), do: div(limit, 16 * 14)
  defp pieces(limit), do: div(limit, 200_000)

  defp lying(1), do: fn -> grow([]) end
  defp lying(2), do: fn -> collect([]) end

  defp grow(list), do: grow([list | list])
  defp collect(list), do: collect([:binary.copy("x", 1_000_000) | list])

  defp now, do: System.monotonic_time(:millisecond)
end

[kind, seconds, clients] = System.argv()
Bench.Pool.Node.main(kind, String.to_integer(seconds), String.to_integer(clients))
