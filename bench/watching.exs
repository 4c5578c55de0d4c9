# What watching costs: CPU time of 1000 quotas whose work waits, of 100 whose work runs and of 800 that count two waiting children
# each, against the same work in plain processes, as a share of one core. Exits with 1 when one is over what it is held to.
#
#     MIX_ENV=prod mix run bench/watching.exs [--rounds 5] [--seconds 4]
#
# Every measurement has a VM of its own; with and without quotas take turns.

defmodule Watching.Probe do
  def run("idle", how, seconds), do: cpu_share(start(how, 1_000, fn -> wait() end), seconds)

  def run("children", how, seconds),
    do: cpu_share(start(how, 800, &with_children/0, count: [:children]), seconds)

  def run("busy", how, seconds), do: cpu_per_turn(start(how, 100, &turn/1), seconds)

  # Cores.
  defp cpu_share(_, seconds) do
    # Until all have started, and are known to be idle.
    Process.sleep(10_000)
    {measured(seconds) / 1.0e6 / seconds, 0.0}
  end

  # Nanoseconds of CPU time for a turn of work, and how many cores there were for it.
  defp cpu_per_turn(turns, seconds) do
    Process.sleep(500)
    before = :counters.get(turns, 1)
    cpu = measured(seconds)
    {cpu * 1.0e3 / (:counters.get(turns, 1) - before), cpu / 1.0e6 / seconds}
  end

  defp measured(seconds) do
    before = cpu()
    Process.sleep(seconds * 1_000)
    cpu() - before
  end

  # Of the whole process, every thread of it, in microseconds.
  defp cpu do
    [_, rest] = "/proc/self/stat" |> File.read!() |> String.split(") ", parts: 2)
    fields = String.split(rest)
    ticks = String.to_integer(Enum.at(fields, 11)) + String.to_integer(Enum.at(fields, 12))
    ticks * 10_000
  end

  defp start(how, n, work, options \\ []) do
    turns = :counters.new(1, [:write_concurrency])
    work = if is_function(work, 1), do: fn -> work.(turns) end, else: work

    for _ <- 1..n do
      spawn(fn ->
        if how == "quota", do: Quota.run(Quota.mib(64), work, options), else: plain(work)
      end)
    end

    turns
  end

  # As many processes as with a quota that is not watched.
  defp plain(work) do
    {_, ref} = spawn_monitor(work)

    receive do
      {:DOWN, ^ref, _, _, _} -> :ok
    end
  end

  defp with_children do
    for _ <- 1..2, do: spawn_link(&wait/0)
    wait()
  end

  defp wait do
    receive do
      :never -> :ok
    end
  end

  defp turn(turns) do
    spin(1_000)
    :counters.add(turns, 1, 1)
    turn(turns)
  end

  defp spin(0), do: :ok
  defp spin(n), do: spin(n - 1)
end

defmodule Watching do
  # Percent of one core.
  @held %{"idle" => 5, "busy" => 15, "children" => 5}
  @titles [
    {"idle", "1000 idle quotas"},
    {"busy", "100 busy quotas"},
    {"children", "800 quotas with two idle children"}
  ]

  def main(["--probe", kind, how, seconds]),
    do:
      kind
      |> Watching.Probe.run(how, String.to_integer(seconds))
      |> Tuple.to_list()
      |> Enum.join(" ")
      |> IO.puts()

  def main(args) do
    {opts, []} = OptionParser.parse!(args, strict: [rounds: :integer, seconds: :integer])
    rounds = Keyword.get(opts, :rounds, 5)
    seconds = Keyword.get(opts, :seconds, 4)
    IO.puts("OTP #{System.otp_release()}, median of #{rounds}: share of one core\n")

    over =
      for {kind, title} <- @titles do
        pairs =
          for _ <- 1..rounds, do: {probe(kind, "plain", seconds), probe(kind, "quota", seconds)}

        shares = pairs |> Enum.map(&percent(kind, &1)) |> Enum.sort()
        share = Enum.at(shares, div(rounds, 2))
        all = Enum.map_join(shares, " ", &text/1)
        over = share > @held[kind]

        IO.puts(
          "#{String.pad_trailing(title, 35)}#{text(share)} %, held to #{@held[kind]} %" <>
            "#{if over, do: "  OVER", else: ""}    (all: #{all})"
        )

        over
      end

    System.halt(if Enum.any?(over), do: 1, else: 0)
  end

  # Of the cores that this machine gave, the part that did not go to the work.
  defp percent("busy", {{plain, _}, {quota, cores}}), do: (quota - plain) / quota * cores * 100
  defp percent(_waiting, {{plain, _}, {quota, _}}), do: (quota - plain) * 100

  defp text(share), do: :erlang.float_to_binary(share, decimals: 1)

  defp probe(kind, how, seconds) do
    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    # Schedulers that sleep at once: what an idle one spins is not what is measured.
    quiet = ["--erl", "+sbwt none +sbwtdcpu none +sbwtdio none"]
    arguments = quiet ++ paths ++ [__ENV__.file, "--probe", kind, how, "#{seconds}"]
    {output, 0} = System.cmd(System.find_executable("elixir"), arguments)
    [cost, cores] = output |> String.split("\n", trim: true) |> List.last() |> String.split()
    {String.to_float(cost), String.to_float(cores)}
  end
end

Watching.main(System.argv())
