defmodule Demo.Memory do
  @moduledoc false
  # Resident memory, in bytes, of a process of the operating system.

  @every_ms 20

  @doc "The resident memory of the process `os_pid`, or nil when it is gone."
  def resident(os_pid \\ System.pid()) do
    status("/proc/#{os_pid}/status", "VmRSS") || ps(os_pid)
  end

  @doc "The largest resident memory so far, where the system keeps that."
  def peak(os_pid \\ System.pid()), do: status("/proc/#{os_pid}/status", "VmHWM")

  defp status(file, field) do
    with {:ok, text} <- File.read(file),
         [_, kib] <- Regex.run(~r/^#{field}:\s+(\d+) kB/m, text) do
      String.to_integer(kib) * 1024
    else
      _ -> nil
    end
  end

  # Where there is no /proc.
  defp ps(os_pid) do
    with false <- File.dir?("/proc/self"),
         {text, 0} <- System.cmd("ps", ["-o", "rss=", "-p", "#{os_pid}"]) do
      text |> String.trim() |> String.to_integer() |> Kernel.*(1024)
    else
      _ -> nil
    end
  end

  @doc "Watches `os_pid` until `stop/1`, which returns `[{ms, bytes}]`."
  def watch(os_pid) do
    start = System.monotonic_time(:millisecond)
    Task.async(fn -> samples(os_pid, start, []) end)
  end

  def stop(watcher) do
    send(watcher.pid, :stop)
    Task.await(watcher)
  end

  defp samples(os_pid, start, samples) do
    sample = {System.monotonic_time(:millisecond) - start, resident(os_pid) || 0}

    receive do
      :stop -> Enum.reverse([sample | samples])
    after
      @every_ms -> samples(os_pid, start, [sample | samples])
    end
  end
end
