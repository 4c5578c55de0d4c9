# How late readings of the usage come on a busy machine, by the two ways to read the file, in turn: on the scheduler of the process
# that reads (`Bounded.KernelFile.reread/1`, as the watchdog does), and by the VM's thread for files (`:file.pread/3`).
#
#     MIX_ENV=prod mix run bench/watchdog/readings.exs [SECONDS]
#
# A process of priority `:max` reads every 3 ms. The load is what else the machine does.

defmodule Bench.Watchdog.Readings do
  alias Bounded.{Cgroup, KernelFile}

  @every_ms 3
  @percentiles [50, 90, 99]

  def main(arguments) do
    seconds = arguments |> Enum.at(0, "30") |> String.to_integer()
    path = path(Cgroup.memory(Cgroup.find()))

    IO.puts(
      "#{Date.utc_today()}, OTP #{System.otp_release()}, Elixir #{System.version()}, " <>
        "#{System.schedulers_online()} schedulers, load #{load()} before, #{path}"
    )

    caller = self()

    :erlang.spawn_opt(
      fn -> send(caller, {:readings, readings(path, now() + seconds * 1_000_000)}) end,
      [:link, priority: :max]
    )

    readings = receive do: ({:readings, readings} -> readings)
    IO.puts("load #{load()} after; milliseconds\n")

    IO.puts(
      row(["way", "readings", "read: 50, 90, 99 %", "longest", "over 10 ms", "late: 50, 90, 99 %"])
    )

    for way <- [:scheduler, :file_thread],
        do: IO.puts(way(way, for({^way, late, took} <- readings, do: {late, took})))
  end

  defp path(%{source: :cgroup_v1, directory: directory}), do: "#{directory}/memory.usage_in_bytes"
  defp path(%{source: :cgroup_v2, directory: directory}), do: "#{directory}/memory.current"
  defp path(_machine), do: "/proc/meminfo"

  defp load, do: "/proc/loadavg" |> File.read!() |> String.split(" ") |> hd()

  # A raw file belongs to the process that opened it.
  defp readings(path, until) do
    {:ok, device} = :file.open(path, [:read, :raw, :binary])
    {:ok, {:native, _} = file} = KernelFile.open("/", path)
    ways = [scheduler: fn -> KernelFile.reread(file) end, file_thread: fn -> pread(device) end]
    read(Stream.cycle(ways), until)
  end

  defp pread(device) do
    {:ok, text} = :file.pread(device, 0, 4_096)
    text
  end

  defp read(ways, until) do
    ways
    |> Stream.map(fn {way, read} ->
      due = now() + @every_ms * 1_000
      Process.sleep(@every_ms)
      started = now()
      "" <> _ = read.()
      ended = now()
      {way, ended - due, ended - started}
    end)
    |> Enum.take_while(fn _ -> now() < until end)
  end

  defp way(way, readings) do
    late = readings |> Enum.map(&elem(&1, 0)) |> Enum.sort()
    took = readings |> Enum.map(&elem(&1, 1)) |> Enum.sort()

    row([
      "#{way}",
      "#{length(readings)}",
      percentiles(took),
      ms(List.last(took)),
      "#{Enum.count(took, &(&1 > 10_000))}",
      percentiles(late)
    ])
  end

  defp percentiles(sorted),
    do: Enum.map_join(@percentiles, ", ", &ms(Enum.at(sorted, div(length(sorted) * &1, 100))))

  defp ms(microseconds), do: :erlang.float_to_binary(microseconds / 1_000, decimals: 3)

  defp row(columns) do
    columns
    |> Enum.zip([12, 9, 22, 9, 11, 22])
    |> Enum.map_join(" ", fn {text, width} -> String.pad_trailing(text, width) end)
  end

  defp now, do: System.monotonic_time(:microsecond)
end

Bench.Watchdog.Readings.main(System.argv())
