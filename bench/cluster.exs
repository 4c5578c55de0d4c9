# What `Quota.Cluster` does, and what it costs:
#
#     MIX_ENV=prod mix run bench/cluster.exs [simulation | cost | nodes [RELEASE RELEASE RELEASE]]
#
# 1. `simulation`: placement on up to 1,000 nodes with delayed views, against other ways to choose a node.
# 2. `cost`: what `node: :any` adds to a run in a pool when there is room here.
# 3. `nodes`: three nodes, each in a control group of 256 MiB: how much they admit, a node that is killed, one that falls silent,
#    a connection that is cut. RELEASE is that of a chroot of `bin/otp` in which this project was compiled, for each of the three
#    nodes, or `here`. Needs to be allowed to make control groups, and `epmd`.
#
# Without a word, all of it. Exits with 1 if something falls short.

for file <- ~w(control_group cluster/simulation cluster/nodes),
    do: Code.require_file("#{file}.exs", __DIR__)

defmodule Bench.Cluster do
  alias Bench.Cluster.{Nodes, Simulation}

  @limit 1024 * 1024
  @rounds 31
  @runs 10_000
  # Microseconds that a placement may cost when there is room here.
  @cost 3.0

  def main(argv) do
    IO.puts("#{Date.utc_today()}, OTP #{System.otp_release()}, Elixir #{System.version()}")
    Logger.configure(level: :error)

    held =
      case argv do
        [] -> simulation() ++ cost() ++ nodes([])
        ["simulation"] -> simulation()
        ["cost"] -> cost()
        ["nodes" | releases] -> nodes(releases)
      end

    IO.puts("")
    for {name, good} <- held, do: IO.puts("#{if good, do: "held ", else: "SHORT"}  #{name}")
    unless Enum.all?(held, &elem(&1, 1)), do: System.halt(1)
  end

  ## Simulation

  defp simulation do
    IO.puts("\n1,000 nodes, four fifths of the work on one fifth of them")
    head()

    figures =
      for load <- [0.7, 0.9, 1.0],
          strategy <- [:here, :random, :best, :two, :oracle],
          into: %{} do
        figures = Simulation.run(1_000, 1_000, strategy, load)
        row("#{strategy}, load #{load}", figures)
        {{strategy, load}, figures}
      end

    IO.puts("\ntwo choices at load 0.9, by the size of the groups of 1,000 nodes")
    head()

    for group <- [10, 20, 50, 100, 200, 500, 1_000],
        do: row("groups of #{group}", Simulation.run(1_000, group, :two, 0.9))

    refused = fn strategy -> figures[{strategy, 0.9}].refused end
    [{"two choices refuse less than the best of all views", refused.(:two) < refused.(:best)}]
  end

  defp head do
    IO.puts(
      String.pad_trailing("", 22) <>
        " refused  elsewhere  asked a run  spread  views/s of a node  messages/s of questions  of an oracle"
    )
  end

  # An oracle is asked for each run and told of its end, by two messages and one.
  defp row(name, f) do
    [
      String.pad_trailing(name, 22),
      percent(f.refused),
      percent(f.elsewhere, 10),
      decimal(f.asks, 12),
      percent(f.spread, 8),
      whole(f.views / 1_000, 18),
      whole(f.questions, 24),
      whole(3 * f.arrivals, 13)
    ]
    |> Enum.join(" ")
    |> IO.puts()
  end

  defp percent(fraction, width \\ 8),
    do: pad(:erlang.float_to_binary(100 * fraction, decimals: 2) <> "%", width)

  defp decimal(figure, width), do: pad(:erlang.float_to_binary(1.0 * figure, decimals: 2), width)
  defp whole(figure, width), do: figure |> round() |> Integer.to_string() |> pad(width)
  defp pad(text, width), do: String.pad_leading(text, width)

  ## Cost

  defp cost do
    {:ok, _} = Quota.Pool.start_link(name: Bench.Here, size: 64 * @limit)
    {:ok, _} = Quota.Cluster.start_link(pool: Bench.Here)
    work = {:erlang, :node, []}
    pool = fn -> Quota.run(@limit, work, pool: Bench.Here) end
    any = fn -> Quota.run(@limit, work, pool: Bench.Here, node: :any) end
    closure = fn -> Quota.run(@limit, &:erlang.node/0, pool: Bench.Here) end
    for run <- [pool, any, closure], do: time(run)

    rounds =
      for round <- 1..@rounds do
        # In turns, so that none always comes first.
        runs = Enum.shuffle(closure: closure, pool: pool, any: any)
        if rem(round, 10) == 0, do: IO.write(".")
        Map.new(runs, fn {name, run} -> {name, time(run)} end)
      end

    median = fn of -> rounds |> Enum.map(of) |> Enum.sort() |> Enum.at(div(@rounds, 2)) end
    added = median.(&(&1.any - &1.pool))

    IO.puts(
      "\nmicroseconds of a run in a pool: #{decimal(median.(& &1.closure), 0)}, of a module's function " <>
        "#{decimal(median.(& &1.pool), 0)}, with node: :any #{decimal(median.(& &1.any), 0)}; " <>
        "node: :any adds #{decimal(added, 0)}"
    )

    [{"placement costs at most #{@cost} us when there is room here", added <= @cost}]
  end

  # CPU time in microseconds a run.
  defp time(run) do
    :erlang.garbage_collect()
    {before, _} = :erlang.statistics(:runtime)
    for _ <- 1..@runs, do: run.()
    {later, _} = :erlang.statistics(:runtime)
    (later - before) * 1_000 / @runs
  end

  ## Nodes

  defp nodes([]), do: nodes(["here", "here", "here"])

  defp nodes([_, _, _] = releases),
    do: Nodes.measure(for(r <- releases, do: if(r == "here", do: nil, else: r)))

  defp nodes(releases) do
    IO.puts(:stderr, "nodes wants three releases, one for each node, not #{length(releases)}")
    System.halt(2)
  end
end

Bench.Cluster.main(System.argv())
