defmodule Quota.Watchdog.Reading do
  @moduledoc false
  # The figures by which the kernel will judge this VM: the group's usage without file cache, and the line above which the
  # watchdog acts.
  #
  # The file of the usage stays open, and one read of it takes some 10 us of processor time. The cache and the limit are read
  # again now and then: both change slowly, and a cache that grew meanwhile makes the usage look higher, never lower.

  alias Bounded.{Cgroup, KernelFile}

  defstruct [
    :group,
    :memory,
    :high,
    :file,
    :kill_at,
    :limit,
    :line,
    :refreshed,
    cache: 0,
    events: %{}
  ]

  # Milliseconds between two readings of what changes slowly, and while the usage is near the line.
  @refresh_ms 1_000
  @near_ms 20
  @longest 4_096

  @doc "Opens the files: `{:ok, reading}`, or `{:error, why}` on a system that does not tell its memory."
  def open(kill_at, root \\ "/") do
    group = Cgroup.find(root)

    case Cgroup.memory(group) do
      %{limit: limit, usage: usage} = memory when is_integer(limit) and is_integer(usage) ->
        case :file.open(path(root, memory), [:read, :raw, :binary]) do
          {:ok, file} ->
            {:ok,
             refresh(%__MODULE__{group: group, file: file, memory: memory, kill_at: kill_at})}

          {:error, reason} ->
            {:error, "#{path(root, memory)} cannot be read (#{:file.format_error(reason)})"}
        end

      _ ->
        {:error,
         "this system tells neither a control group's memory nor /proc/meminfo, so that nothing can be judged"}
    end
  end

  defp path(root, %{source: :machine}), do: Path.join(root, "proc/meminfo")

  defp path(root, %{source: :cgroup_v1, directory: directory}),
    do: Path.join([root, directory, "memory.usage_in_bytes"])

  defp path(root, %{source: :cgroup_v2, directory: directory}),
    do: Path.join([root, directory, "memory.current"])

  @doc "Bytes in use now, without cache that the kernel drops, and the reading to pass to the next call."
  def used(reading, now, near \\ false) do
    age = now - reading.refreshed

    reading =
      if age >= @refresh_ms or (near and age >= @near_ms), do: refresh(reading), else: reading

    {max(usage(reading) - reading.cache, 0), reading}
  end

  defp usage(%{file: file, memory: %{source: source}} = reading) do
    case :file.pread(file, 0, @longest) do
      {:ok, text} when source == :machine ->
        reading.limit - (KernelFile.bytes(text, "MemAvailable") || 0)

      {:ok, text} ->
        KernelFile.integer(text) || reading.memory.usage

      _gone ->
        reading.memory.usage
    end
  end

  defp refresh(reading) do
    memory = Cgroup.memory(reading.group)
    memory = if is_integer(memory.limit), do: memory, else: reading.memory
    high = Cgroup.high(reading.group)
    # From `memory.high` on the kernel slows the VM down until it hardly runs.
    limit = if is_integer(high), do: min(high, memory.limit), else: memory.limit

    %{
      reading
      | memory: memory,
        high: high,
        limit: limit,
        line: line(reading.kill_at, limit),
        cache: min(memory.reclaimable || 0, memory.usage || 0),
        events: Cgroup.events(reading.group),
        refreshed: now()
    }
  end

  defp line(kill_at, limit) when is_float(kill_at), do: trunc(kill_at * limit)
  defp line(kill_at, limit), do: max(limit - kill_at, 0)

  defp now, do: System.monotonic_time(:millisecond)
end
