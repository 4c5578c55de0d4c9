# How far memory goes over the limit before a balloon is stopped: resident memory over the baseline, as a
# multiple of the limit, each balloon in a VM of its own. Exits with 1 when a row is over what it is held to.
#
#     MIX_ENV=prod mix run bench/balloons.exs [--runs 5] [row ...]

defmodule Balloons.Rows do
  # Each row: {name, what it is held to on OTP 25 and from 27 on (times the limit; nil: not covered), options, work}.

  @parts :binary.copy(<<1>>, 1_000)

  def limit, do: Quota.mib(64)

  def all do
    [
      {"a growing list", {1.5, 1.5}, [], fn -> list(0, 64_000_000, []) end},
      {"many 1 MB binaries", {1.5, 1.5}, [], fn -> megabytes(1_000, []) end},
      {"many 100-byte binaries", {2.2, 1.9}, [], fn -> small_binaries(5_000_000, []) end},
      {"one giant binary", {nil, 1.1}, [], fn -> :binary.copy(<<0>>, 2_000_000_000) end},
      {"appending to a binary", {2.2, 1.8}, [], fn -> append(<<>>, 1_000_000) end},
      {"flattening an iolist", {1.5, 1.5}, [],
       fn -> IO.iodata_to_binary(iolist(600_000, [])) end},
      {"binary to list", {1.5, 1.5}, [], fn -> bytes_to_list() end},
      {"mailbox flooded with terms", {2.2, 2.2}, [], fn -> flooded(Enum.to_list(1..100)) end},
      {"mailbox flooded with 1 MB binaries", {1.6, 1.6}, [max_queue: 50],
       fn -> flooded(:megabyte) end},
      {"ETS inserts", {1.5, 1.5}, [count: [:ets]], fn -> rows(:ets.new(:rows, []), 700_000) end},
      {"8 children", {1.7, 1.7}, [count: [:children]], fn -> children(8, 8_000_000) end},
      {"1000 children", {1.7, 1.7}, [count: [:children]], fn -> children(1_000, 64_000) end},
      {"BoundedBinary.copy in a loop", {1.3, 1.3}, [], fn -> copies(1_000, []) end},
      {"parsers kept", {1.1, 1.1}, [], fn -> parsers(100_000, []) end},
      {"BoundedXml events kept", {1.5, 1.5}, [], fn -> events() end}
    ]
  end

  defp list(n, n, kept), do: length(kept)
  defp list(n, to, kept), do: list(n + 1, to, [n | kept])

  defp megabyte, do: :binary.copy(@parts, 1_000)

  defp megabytes(0, kept), do: length(kept)
  defp megabytes(n, kept), do: megabytes(n - 1, [megabyte() | kept])

  defp small_binaries(0, kept), do: length(kept)
  defp small_binaries(n, kept), do: small_binaries(n - 1, [:binary.copy(<<1>>, 100) | kept])

  defp append(binary, 0), do: byte_size(binary)
  defp append(binary, n), do: append(<<binary::binary, @parts::binary>>, n - 1)

  defp iolist(0, kept), do: kept
  defp iolist(n, kept), do: iolist(n - 1, [kept | @parts])

  defp bytes_to_list, do: length(:binary.bin_to_list(:binary.copy(<<3>>, 60_000_000)))

  defp rows(table, 0), do: :ets.info(table, :size)

  defp rows(table, n) do
    :ets.insert(table, {n, Enum.to_list(1..60)})
    rows(table, n - 1)
  end

  defp flooded(message) do
    worker = self()
    spawn(fn -> flood(worker, message) end)

    receive do
      :never -> :ok
    end
  end

  defp flood(worker, message) do
    for _ <- 1..10, do: send(worker, if(message == :megabyte, do: megabyte(), else: message))
    if Process.alive?(worker), do: flood(worker, message)
  end

  defp children(n, length) do
    worker = self()

    for _ <- 1..n do
      spawn(fn ->
        kept = list(0, length, [])
        send(worker, :built)
        Process.sleep(:infinity)
        kept
      end)
    end

    for _ <- 1..n do
      receive do
        :built -> :ok
      end
    end
  end

  defp copies(0, kept), do: length(kept)
  defp copies(n, kept), do: copies(n - 1, [BoundedBinary.copy(megabyte()) | kept])

  defp parsers(0, kept), do: length(kept)

  defp parsers(n, kept) do
    {:ok, parser} = BoundedXml.Parser.new()
    {:ok, _} = BoundedXml.Parser.feed(parser, ["<a b='", :binary.copy(<<?x>>, 20_000)])
    parsers(n - 1, [parser | kept])
  end

  defp events do
    item = "<item id='1'><title>Some words</title><price>1.25</price></item>"
    feed = Stream.concat([["<feed>"], Stream.repeatedly(fn -> item end)])
    feed |> BoundedXml.stream() |> Enum.to_list()
  end
end

defmodule Balloons.Probe do
  # One balloon, in this VM.

  alias Balloons.Rows

  def run(name) do
    {_, _, opts, work} = Enum.find(Rows.all(), &(elem(&1, 0) == name))
    Quota.run(Rows.limit(), fn -> Enum.sum(1..1_000) end, opts)
    Process.sleep(50)
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    File.write!("/proc/self/clear_refs", "5")
    before = status("VmRSS:")
    outcome = outcome(Quota.try_run(Rows.limit(), work, [timeout: 60_000] ++ opts))
    # Children that outlive the answer would still grow.
    Process.sleep(50)
    IO.puts("#{status("VmHWM:") - before} #{outcome}")
  end

  defp outcome({:ok, _}), do: "finished"
  defp outcome({:error, %Quota.ExceededError{category: category}}), do: category
  defp outcome({:error, %Quota.TimeoutError{}}), do: "timed out"

  defp status(key) do
    [_, kilobytes] = Regex.run(~r/#{key}\s+(\d+)/, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end
end

defmodule Balloons do
  alias Balloons.Rows

  def main(["--probe", name]), do: Balloons.Probe.run(name)

  def main(args) do
    {opts, names} = OptionParser.parse!(args, strict: [runs: :integer])
    runs = Keyword.get(opts, :runs, 5)
    rows = Enum.filter(Rows.all(), &(names == [] or elem(&1, 0) in names))

    IO.puts(
      "OTP #{System.otp_release()}, limit #{div(Rows.limit(), 1_048_576)} MiB, " <>
        "median of #{runs}: resident memory over the baseline, times the limit\n"
    )

    over = Enum.count(rows, &over?(&1, runs))
    if over > 0, do: IO.puts("\n#{over} over what they are held to")
    System.halt(min(over, 1))
  end

  defp over?({name, held_to, _, _}, runs) do
    probes = for _ <- 1..runs, do: probe(name)
    {bytes, outcome} = probes |> Enum.sort() |> Enum.at(div(runs, 2))
    times = bytes / Rows.limit()
    held = held(held_to)
    over = held != nil and times > held

    IO.puts(
      String.pad_trailing(name, 36) <>
        String.pad_leading(:erlang.float_to_binary(times, decimals: 2), 7) <>
        String.pad_leading(if(held, do: "#{held}", else: "-"), 6) <>
        "  #{outcome}#{if over, do: "  OVER", else: ""}"
    )

    over
  end

  defp held({old, new}) do
    if String.to_integer(System.otp_release()) >= 27, do: new, else: old
  end

  defp probe(name) do
    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    arguments = paths ++ [__ENV__.file, "--probe", name]

    case System.cmd(System.find_executable("elixir"), arguments, stderr_to_stdout: true) do
      {output, 0} ->
        [bytes, outcome] =
          output |> String.split("\n", trim: true) |> List.last() |> String.split(" ", parts: 2)

        {String.to_integer(bytes), outcome}

      {output, status} ->
        # The VM itself died: worse than any figure.
        IO.puts(:stderr, String.slice(output, 0, 500))
        {Quota.gib(64), "the VM died with #{status}"}
    end
  end
end

Balloons.main(System.argv())
