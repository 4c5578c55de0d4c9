# What a pool is for, and what it costs:
#
#     MIX_ENV=prod mix run bench/pool.exs [SECONDS [CLIENTS]]
#
# 1. A node in a control group of 256 MiB under the load of many clients, each asking for 8 to 64 MiB and a tenth
#    lying, first without a pool, where the kernel kills it, then with one. Needs to be allowed to make control groups.
# 2. Admission and release over `Quota.run/3` alone, two schedulers contending.
#
# Prints the figures, leaves a chart under bench/results, and exits with 1 if something falls short.

for file <- ~w(control_group pool/chart), do: Code.require_file("#{file}.exs", __DIR__)

defmodule Bench.Pool do
  alias Bench.ControlGroup
  alias Bench.Pool.Chart

  @limit 256 * 1024 * 1024
  @mib 1024 * 1024

  def main(argv) do
    {seconds, clients} =
      case Enum.map(argv, &String.to_integer/1) do
        [] -> {120, 200}
        [seconds] -> {seconds, 200}
        [seconds, clients] -> {seconds, clients}
      end

    say(machine())
    held = Enum.concat(load(seconds, clients), cost())
    say("")
    for {name, good} <- held, do: say("#{if good, do: "held ", else: "SHORT"}  #{name}")

    File.write!(
      results("txt"),
      Process.get(:said) |> Enum.reverse() |> Enum.join("\n") |> Kernel.<>("\n")
    )

    unless Enum.all?(held, &elem(&1, 1)), do: System.halt(1)
  end

  # What is printed is kept, too.
  defp say(line) do
    IO.puts(line)
    Process.put(:said, [line | Process.get(:said, [])])
  end

  defp machine do
    cpu =
      case File.read("/proc/cpuinfo") do
        {:ok, text} -> Regex.run(~r/^model name\s*: (.+)$/m, text, capture: :all_but_first)
        _ -> nil
      end

    memory = Bounded.Cgroup.memory(Bounded.Cgroup.find())

    "#{Date.utc_today()}, #{cpu || "unknown CPU"}, #{System.schedulers_online()} schedulers, " <>
      "#{div(memory.physical || 0, @mib)} MiB, OTP #{System.otp_release()}, Elixir #{System.version()}"
  end

  defp results(extension) do
    directory = Path.join(__DIR__, "results")
    File.mkdir_p!(directory)
    Path.join(directory, "#{Date.utc_today()}-pool.#{extension}")
  end

  ## The load

  defp load(seconds, clients) do
    case ControlGroup.create(@limit) do
      {:ok, group} ->
        ControlGroup.remove(group)
        bare = node_run("bare", seconds, clients)
        pool = node_run("pool", seconds, clients)
        chart(bare, pool, clients)
        report(bare, pool)

      {:error, reason} ->
        say("the load is left out: #{reason}")
        []
    end
  end

  defp node_run(kind, seconds, clients) do
    {:ok, group} = ControlGroup.create(@limit)
    say("#{kind}: #{clients} clients for #{seconds} s in #{div(@limit, @mib)} MiB")
    node = Path.join(__DIR__, "pool/node.exs")

    command =
      "#{ControlGroup.enter(group)} && exec elixir --erl '+sbwt none' -pa #{ebin()} #{node} #{kind} #{seconds} #{clients} 2>&1"

    port =
      Port.open({:spawn_executable, "/bin/sh"}, [
        :binary,
        :exit_status,
        line: 100_000_000,
        args: ["-c", command]
      ])

    {:os_pid, pid} = Port.info(port, :os_pid)

    run =
      collect(port, pid, System.monotonic_time(:millisecond), %{
        resident: [],
        reserved: [],
        result: nil,
        log: []
      })

    run =
      Map.merge(run, %{
        kills: ControlGroup.kills(group),
        largest: ControlGroup.largest_usage(group)
      })

    ControlGroup.remove(group)
    %{run | resident: Enum.reverse(run.resident), reserved: Enum.reverse(run.reserved)}
  end

  # The node tells what is reserved; how much it holds is seen from outside.
  defp collect(port, pid, started, run) do
    receive do
      {^port, {:data, {_, "at " <> figures}}} ->
        [_at, reserved, size, running] =
          figures |> String.split() |> Enum.map(&String.to_integer/1)

        at = System.monotonic_time(:millisecond) - started
        run = %{run | reserved: [{at, reserved, size, running} | run.reserved]}
        collect(port, pid, started, look(run, pid, at))

      {^port, {:data, {_, "result " <> result}}} ->
        collect(port, pid, started, %{
          run
          | result: :erlang.binary_to_term(Base.decode64!(result))
        })

      {^port, {:data, {_, line}}} ->
        collect(port, pid, started, %{run | log: [line | run.log]})

      {^port, {:exit_status, status}} ->
        Map.put(run, :status, status)
    after
      100 ->
        collect(port, pid, started, look(run, pid, System.monotonic_time(:millisecond) - started))
    end
  end

  defp look(run, pid, at) do
    with {:ok, status} <- File.read("/proc/#{pid}/status"),
         [_, kib] <- Regex.run(~r/^VmRSS:\s+(\d+) kB/m, status) do
      %{run | resident: [{at, String.to_integer(kib) * 1024} | run.resident]}
    else
      _ -> run
    end
  end

  defp report(bare, pool) do
    for line <- Enum.reverse(pool.log), line != "", do: say("  node: #{line}")
    {bare_last, _} = List.last(bare.resident)

    say(
      "without a pool: exit status #{bare.status}, #{bare.kills} killed by the kernel, after #{bare_last} ms"
    )

    say("with a pool:    exit status #{pool.status}, #{pool.kills} killed by the kernel")
    say("  largest usage of the control group: #{div(pool.largest, @mib)} MiB")

    say(
      "  largest resident memory: #{div(pool.resident |> Enum.map(&elem(&1, 1)) |> Enum.max(fn -> 0 end), @mib)} MiB"
    )

    [
      {"without the pool the kernel kills the node", bare.kills > 0},
      {"with the pool it does not", pool.kills == 0}
    ] ++
      if(pool.result, do: outcomes(pool), else: [{"the node answers to the end", false}])
  end

  defp outcomes(%{result: result} = pool) do
    counts = Enum.frequencies_by(result.outcomes, fn {kind, outcome, _} -> {kind, outcome} end)

    for {{kind, outcome}, count} <- Enum.sort(counts),
        do: say("  #{kind} #{outcome}: #{count}")

    refused = for {_, :refused, us} <- result.outcomes, do: us
    {median, p99} = {percentile(refused, 0.5), percentile(refused, 0.99)}
    say("  refused in: median #{median} us, p99 #{p99} us, largest #{Enum.max(refused)} us")
    {_, _, size, _} = hd(pool.reserved)
    shares = for {_, reserved, size, _} <- pool.reserved, do: reserved / size
    median_share = percentile(shares, 0.5)
    running = for {_, _, _, running} <- pool.reserved, do: running

    say(
      "  pool of #{div(size, @mib)} MiB: reserved at the median #{round(median_share * 100)} %, running #{percentile(running, 0.5)}"
    )

    wrong = Map.get(counts, {:honest, :wrong}, 0) + Map.get(counts, {:honest, :exceeded}, 0)

    [
      {"every honest request admitted gets its right answer",
       wrong == 0 and counts[{:honest, :right}] > 0},
      {"every lying request admitted is stopped",
       Map.get(counts, {:lying, :right}, 0) + Map.get(counts, {:lying, :wrong}, 0) == 0},
      {"refused at once: median under 1 ms, p99 under 50 ms", median < 1_000 and p99 < 50_000},
      {"at least 80 % of the pool is reserved at the median", median_share >= 0.8},
      {"all promises go back", result.drained}
    ]
  end

  defp chart(bare, pool, clients) do
    directory = Path.join(__DIR__, "results")
    File.mkdir_p!(directory)
    path = Path.join(directory, "#{Date.utc_today()}-pool.svg")

    title =
      "#{clients} clients asking for 8 to 64 MiB each, a tenth lying: resident memory of the node"

    series =
      [
        {"with a pool", pool.resident},
        {"without a pool: killed", bare.resident},
        {"reserved in the pool", for({at, reserved, _, _} <- pool.reserved, do: {at, reserved})}
      ]
      |> Enum.reject(fn {_, points} -> points == [] end)

    Chart.write(path, title, series, @limit)
    say("chart: #{Path.relative_to_cwd(path)}")
  end

  ## The cost

  defp cost do
    {output, 0} =
      System.cmd("elixir", [
        "--erl",
        "+sbwt none",
        "-pa",
        ebin(),
        Path.join(__DIR__, "pool/cost.exs")
      ])

    figures =
      for line <- String.split(output, "\n", trim: true), into: %{} do
        [what | figures] = String.split(line)
        {what, Enum.map(figures, &String.to_float/1)}
      end

    [alone, pool, over] = figures["run"]
    [_, _, admission] = figures["admission"]
    say("CPU time with #{System.schedulers_online()} schedulers contending, medians:")
    say("  Quota.run alone #{alone} us, in a pool #{pool} us: #{over} us over")
    say("  admission and release by themselves: #{admission} us")
    [{"admission and release cost under 2 us", over < 2}]
  end

  defp ebin, do: Path.join(Mix.Project.app_path(), "ebin")

  defp percentile([], _share), do: 0

  defp percentile(figures, share),
    do:
      figures |> Enum.sort() |> Enum.at(min(trunc(length(figures) * share), length(figures) - 1))
end

Bench.Pool.main(System.argv())
