defmodule Bench.Watchdog.Table do
  # Rounds of every kind, with the watchdog and without, each kind in a VM of its own in a control group of 256 MiB. A VM that the kernel
  # kills is started again for the rounds that are left.

  alias Bench.{ControlGroup, Vm}
  alias Bench.Watchdog.Kinds

  @group_bytes 256 * 1024 * 1024
  @megabyte 1_000_000
  # No kind has a VM die at each round and go on for ever.
  @round_ms 40_000

  def main(arguments, compiled) do
    {opts, filters} =
      OptionParser.parse!(arguments,
        strict: [rounds: :integer, bare: :integer, rate: :integer, verbose: :boolean]
      )

    rounds = Keyword.get(opts, :rounds, 20)
    bare = Keyword.get(opts, :bare, 3)
    rate = Keyword.get(opts, :rate, 300)
    kinds = for {name, _} <- Kinds.all(), selected?(name, filters), do: name

    Vm.with_machine(
      compiled,
      fn machine ->
        IO.puts(Vm.describe(machine))

        IO.puts(
          "balloons of at most #{rate} MB/s; #{rounds} rounds with the watchdog, #{bare} without\n"
        )

        IO.puts(
          row([
            "kind",
            "kernel kills",
            "culprit ended",
            "bystanders died",
            "slowest answer",
            "bare node"
          ])
        )

        for name <- kinds do
          with_dog = rounds(machine, name, rounds, rate, "[mode: :enforce, per_minute: 60]", opts)
          without = rounds(machine, name, bare, rate, "nil", opts)
          IO.puts(row([name | figures(with_dog, rounds)] ++ [fate(without, bare)]))
        end
      end,
      @group_bytes
    )

    0
  end

  defp selected?(_name, []), do: true
  defp selected?(name, filters), do: Enum.any?(filters, &String.contains?(name, &1))

  # `{rounds that ended, kernel kills, other ends of the VM}`.
  defp rounds(machine, name, wanted, rate, options, opts, acc \\ {[], 0, []})
  defp rounds(_machine, _name, wanted, _rate, _options, _opts, acc) when wanted <= 0, do: acc

  defp rounds(machine, name, wanted, rate, options, opts, {done, kills, others}) do
    file = Path.join(machine.directory, "rounds")
    File.rm(file)
    # Memory of persistent terms does not come back.
    once = if name == "persistent terms", do: 1, else: wanted

    expression =
      "Bench.Watchdog.Rounds.main(#{inspect(name)}, #{once}, #{rate * @megabyte}, #{options}, #{inspect(file)})"

    {:ok, group} = machine.group
    before = ControlGroup.kills(group)
    result = Vm.run(machine, expression, @round_ms * once)
    killed = min(ControlGroup.kills(group) - before, 1)
    fresh = read(file)
    if opts[:verbose], do: IO.inspect({result, killed, fresh}, limit: :infinity, width: 160)
    otherwise = killed == 0 and (fresh == [] or not halted?(result))
    others = if otherwise, do: [result | others], else: others
    # A round in which the VM died is over.
    left = wanted - length(fresh) - if(killed == 1 or otherwise, do: 1, else: 0)
    rounds(machine, name, left, rate, options, opts, {done ++ fresh, kills + killed, others})
  end

  # When its rounds are over the VM halts. It ends otherwise when the watchdog has ended the process that counts them.
  defp halted?({:died, "exit status 0" <> _}), do: true
  defp halted?(_result), do: false

  defp read(file) do
    case File.read(file) do
      {:ok, text} ->
        for line <- String.split(text, "\n", trim: true),
            do: line |> Base.decode64!() |> :erlang.binary_to_term()

      {:error, _} ->
        []
    end
  end

  defp figures({done, kills, others}, rounds) do
    ended = Enum.count(done, & &1.ended)
    bystanders = Enum.sum(for round <- done, do: round.bystanders)
    slowest = done |> Enum.map(& &1.slowest) |> Enum.sort()
    note = if others == [], do: "", else: " (#{length(others)} VMs ended otherwise)"

    [
      "#{kills}#{note}",
      "#{ended} of #{rounds}",
      "#{bystanders} of #{8 * rounds}",
      "#{List.last(slowest) || "-"} ms (median #{Enum.at(slowest, div(length(slowest), 2)) || "-"})"
    ]
  end

  defp fate({done, kills, _}, rounds) when rounds > 0,
    do: "killed #{kills} of #{rounds}" <> if(done == [], do: "", else: ", lived #{length(done)}")

  defp fate(_none, _rounds), do: "-"

  defp row(columns) do
    columns
    |> Enum.zip([28, 14, 15, 16, 24, 20])
    |> Enum.map_join(" ", fn {text, width} -> String.pad_trailing(text, width) end)
  end
end
