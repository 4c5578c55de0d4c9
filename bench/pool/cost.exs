# What admission and release cost over `Quota.run/3` alone: `elixir --erl '+sbwt none' ... cost.exs`. Prints microseconds of
# CPU time a run: alone, in a pool, and the median of the differences of neighbours.
defmodule Bench.Pool.Cost do
  alias Bounded.Native

  @rounds 31
  @limit Quota.mib(1)

  def main do
    Logger.configure(level: :error)
    {:ok, _} = Quota.Pool.start_link(name: Bench.Cost, size: Quota.mib(64))

    IO.puts("run " <> measure(10_000, &alone/0, &in_pool/0))
    IO.puts("admission " <> measure(100_000, &account/0, &admitted_account/0))
  end

  defp alone, do: Quota.run(@limit, fn -> :ok end)
  defp in_pool, do: Quota.run(@limit, fn -> :ok end, pool: Bench.Cost)

  defp account, do: self() |> Native.account_new(@limit, nil, nil) |> Native.account_close()

  defp admitted_account do
    account = Native.account_new(self(), @limit, nil, nil)
    :ok = Quota.Pool.admit(Bench.Cost, account, @limit, nil, 0)
    Native.account_close(account)
  end

  defp measure(runs, base, pool) do
    for run <- [base, pool], do: contend(run, div(runs, 4))

    pairs =
      for round <- 1..@rounds do
        # In turns, so that neither always comes first.
        if rem(round, 2) == 0 do
          base = contend(base, runs)
          {base, contend(pool, runs)}
        else
          pool = contend(pool, runs)
          {contend(base, runs), pool}
        end
      end

    [
      Enum.map(pairs, &elem(&1, 0)),
      Enum.map(pairs, &elem(&1, 1)),
      Enum.map(pairs, fn {a, b} -> b - a end)
    ]
    |> Enum.map_join(" ", fn figures ->
      figures |> Enum.sort() |> Enum.at(div(@rounds, 2)) |> :erlang.float_to_binary(decimals: 2)
    end)
  end

  # CPU time of a run in microseconds, two processes at once.
  defp contend(run, runs) do
    :erlang.garbage_collect()
    before = cpu()

    1..2
    |> Enum.map(fn _ -> Task.async(fn -> loop(run, runs) end) end)
    |> Task.await_many(:infinity)

    (cpu() - before) * 1_000 / (2 * runs)
  end

  defp loop(_run, 0), do: :ok

  defp loop(run, runs) do
    run.()
    loop(run, runs - 1)
  end

  defp cpu, do: :erlang.statistics(:runtime) |> elem(0)
end

Bench.Pool.Cost.main()
