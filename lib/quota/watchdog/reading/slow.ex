defmodule Quota.Watchdog.Reading.Slow do
  @moduledoc false
  # The process that reads the figures that change slowly: limits, file cache and events of the control group. These are several files, and
  # each read waits for one of the VM's dirty I/O schedulers.

  alias Bounded.Cgroup

  @doc "Starts the process, linked to the caller. It answers the caller alone."
  def start_link(group) do
    server = self()

    :erlang.spawn_opt(fn -> loop(server, group) end, [
      :link,
      priority: :max,
      message_queue_data: :off_heap,
      min_heap_size: 10_000,
      max_heap_size: 0,
      fullsweep_after: 20
    ])
  end

  @doc "Makes the process read the figures and send `{:slow, figures}`."
  def ask(pid), do: send(pid, :read)

  @doc "Reads the figures in the calling process."
  def read(group),
    do: %{memory: Cgroup.memory(group), high: Cgroup.high(group), events: Cgroup.events(group)}

  defp loop(server, group) do
    receive do
      :read -> send(server, {:slow, read(group)})
      _other -> :ok
    end

    loop(server, group)
  end
end
