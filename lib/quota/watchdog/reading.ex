defmodule Quota.Watchdog.Reading do
  @moduledoc false
  # The figures by which the kernel judges this VM: the control group's usage without file cache, its limit, and the line from which on the
  # watchdog acts.
  #
  # The file of the usage stays open, and a read of it takes some microseconds on this process's scheduler, or on the thread that reads
  # while this process sleeps (`Reading.Watch`). The cache, the limits and the events change slowly, and reading them waits for one of the
  # VM's dirty I/O schedulers: another process does that (`Reading.Slow`).

  alias Bounded.{Cgroup, KernelFile}
  alias Quota.Watchdog.Reading.Slow

  defstruct [
    :memory,
    :high,
    :file,
    :kill_at,
    :limit,
    :line,
    :refreshed,
    :slow,
    asked: nil,
    cache: 0,
    events: %{}
  ]

  # Milliseconds between two readings of the figures that change slowly: while nothing grows; while something grows; while the usage is
  # over the line, or so near the limit that the kernel drops cache to make room: the usage then stays the same while memory grows.
  @idle_ms 30_000
  @growing_ms 1_000
  @near_ms 20
  # Percent of the limit from which on the kernel is about to drop cache.
  @full_percent 95

  @doc "Opens the files: `{:ok, reading}`, or `{:error, why}` on a system that does not report its memory."
  def open(kill_at, root \\ "/") do
    group = Cgroup.find(root)

    case Cgroup.memory(group) do
      %{limit: limit, usage: usage} = memory when is_integer(limit) and is_integer(usage) ->
        path = path(memory)

        case KernelFile.open(root, path) do
          {:ok, file} ->
            reading = %__MODULE__{
              file: file,
              memory: memory,
              kill_at: kill_at,
              slow: Slow.start_link(group)
            }

            {:ok, refreshed(reading, Slow.read(group), now())}

          {:error, reason} ->
            {:error, "#{Path.join(root, path)} cannot be read (#{:file.format_error(reason)})"}
        end

      _ ->
        {:error,
         "this system reports neither a control group's memory nor /proc/meminfo, so the watchdog cannot measure its memory"}
    end
  end

  defp path(%{source: :machine}), do: "proc/meminfo"

  defp path(%{source: :cgroup_v1, directory: directory}),
    do: Path.join(directory, "memory.usage_in_bytes")

  defp path(%{source: :cgroup_v2, directory: directory}),
    do: Path.join(directory, "memory.current")

  @doc """
  Bytes in use now, without cache that the kernel drops, and the reading to pass to the next call. `pace` is `:near` while the usage is
  over the line, `:growing` while the node stirs, or `:idle`. When the figures that change slowly are due, another process reads them and
  sends `{:slow, figures}` to the caller: see `refreshed/3`.
  """
  def used(reading, now, pace \\ :idle) do
    usage = usage(reading)
    pace = if dropping?(reading, usage), do: :near, else: pace
    {max(usage - reading.cache, 0), refresh(reading, now, pace)}
  end

  defp usage(%{file: file, memory: %{source: :machine}} = reading) do
    case file |> KernelFile.reread() |> KernelFile.bytes("MemAvailable") do
      nil -> reading.memory.usage
      available -> reading.limit - available
    end
  end

  defp usage(reading),
    do: reading.file |> KernelFile.reread() |> KernelFile.integer() || reading.memory.usage

  defp dropping?(%{limit: limit} = reading, usage),
    do: usage * 100 >= limit * @full_percent and cached?(reading)

  @doc "Whether the file cache is at least 1 % of the limit."
  def cached?(%{limit: limit, cache: cache}), do: cache * 100 >= limit

  @doc "The usage, with cache, from which on the kernel drops cache for what grows."
  def full(%{limit: limit}), do: div(limit * @full_percent, 100)

  # Not asked again until the answer has come.
  defp refresh(%{asked: asked} = reading, _now, _pace) when asked != nil, do: reading

  defp refresh(reading, now, pace) do
    if now - reading.refreshed >= refresh_ms(pace) do
      Slow.ask(reading.slow)
      %{reading | asked: now}
    else
      reading
    end
  end

  defp refresh_ms(:idle), do: @idle_ms
  defp refresh_ms(:growing), do: @growing_ms
  defp refresh_ms(:near), do: @near_ms

  @doc "Notes the figures that change slowly, which `{:slow, figures}` brings to the caller of `used/3`."
  def refreshed(reading, %{memory: memory, high: high, events: events}, now) do
    memory = if is_integer(memory.limit), do: memory, else: reading.memory
    # From `memory.high` on the kernel slows the VM down until it hardly runs.
    limit = if is_integer(high), do: min(high, memory.limit), else: memory.limit

    %{
      reading
      | memory: memory,
        high: high,
        limit: limit,
        line: line(reading.kill_at, limit),
        cache: min(memory.reclaimable || 0, memory.usage || 0),
        events: events,
        refreshed: now,
        asked: nil
    }
  end

  defp line(kill_at, limit) when is_float(kill_at), do: trunc(kill_at * limit)
  defp line(kill_at, limit), do: max(limit - kill_at, 0)

  defp now, do: System.monotonic_time(:millisecond)
end
