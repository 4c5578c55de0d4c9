defmodule Quota.Watchdog.Census.Ports do
  @moduledoc false
  # Programs that ports run: they count towards the control group of the VM. Their resident memory, and the process that each is connected
  # to, its user.
  #
  #   * `baseline`: bytes by port when the node was calm
  #   * `now`: `{port, user, bytes}` as last read, and `asked`: when that was asked for, in milliseconds

  alias Bounded.KernelFile

  defstruct [:baseline, :now, :asked]

  # Milliseconds between two readings while something grows.
  @every_ms 50

  @doc "Starts a process that reads the programs' memory and sends `{:ports, programs}` to the caller, unless one was started just now."
  def ask(%__MODULE__{asked: asked} = ports, now) when asked != nil and now - asked < @every_ms,
    do: ports

  def ask(ports, now) do
    caller = self()
    :erlang.spawn_opt(fn -> send(caller, {:ports, programs()}) end, priority: :high)
    %{ports | asked: now}
  rescue
    # The process table is full.
    SystemLimitError -> ports
  end

  defp programs do
    for port <- :erlang.ports(),
        {:os_pid, os_pid} <- [:erlang.port_info(port, :os_pid)],
        {:connected, pid} <- [:erlang.port_info(port, :connected)],
        bytes = KernelFile.bytes(KernelFile.read("/", "proc/#{os_pid}/status"), "VmRSS"),
        do: {port, pid, bytes}
  end

  @doc "Notes the programs that were read."
  def answered(ports, programs), do: %{ports | now: programs}

  @doc "Waits for the first answer, without which there is no baseline."
  def await(%{now: nil} = ports) do
    receive do
      {:ports, programs} -> answered(ports, programs)
    after
      @every_ms -> ports
    end
  end

  def await(ports), do: ports

  @doc "Makes the present figures the baseline."
  def calm(%{now: nil} = ports), do: ports

  def calm(ports),
    do: %{ports | baseline: Map.new(ports.now, fn {port, _, bytes} -> {port, bytes} end)}

  @doc "Programs that grew by at least `smallest` bytes: `[{grown, user, bytes}]`."
  def grown(%{baseline: nil}, _smallest), do: []

  def grown(ports, smallest) do
    for {port, pid, bytes} <- ports.now,
        grown = bytes - Map.get(ports.baseline, port, 0),
        grown >= smallest,
        do: {grown, pid, bytes}
  end
end
