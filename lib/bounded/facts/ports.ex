defmodule Bounded.Facts.Ports do
  @moduledoc false
  # Ports: bytes that wait in their queues, and the resident memory of the programs that they run.

  alias Bounded.Facts.{Probe, Top}
  alias Bounded.{Format, KernelFile}

  @listed 5

  @doc "The number of ports, `queued` bytes in all and `queues` `[{bytes, port}]`, and `programs` `[{bytes, program}]`."
  def gather(probe) do
    ports = Probe.call(probe, :erlang, :ports, [])

    {queued, queues} =
      Probe.reduce(probe, ports, &:erlang.port_info/2, :queue_size, {0, Top.new(@listed)}, fn
        {port, {:queue_size, bytes}}, {sum, top} -> {sum + bytes, Top.add(top, bytes, port)}
        _closed, acc -> acc
      end)

    queues =
      for {bytes, port} <- Top.to_list(queues), bytes > 0, do: {bytes, describe(probe, port)}

    %{count: length(ports), queued: queued, queues: queues, programs: programs(probe, ports)}
  end

  defp programs(probe, ports) do
    probe
    |> Probe.reduce(ports, &:erlang.port_info/2, :os_pid, [], fn
      {port, {:os_pid, os_pid}}, programs when is_integer(os_pid) -> [{port, os_pid} | programs]
      _none, programs -> programs
    end)
    |> Enum.reduce(Top.new(@listed), fn {port, os_pid}, top ->
      status = KernelFile.read(probe.root, "proc/#{os_pid}/status")
      bytes = KernelFile.bytes(status, "VmRSS") || 0
      Top.add(top, bytes, Map.put(describe(probe, port), :os_pid, os_pid))
    end)
    |> Top.to_list()
  end

  defp describe(probe, port) do
    for item <- [:name, :connected], into: %{} do
      case Probe.call(probe, :erlang, :port_info, [port, item]) do
        {:name, name} -> {:name, Format.line(name)}
        {^item, value} -> {item, value}
        :undefined -> {item, nil}
      end
    end
  end
end
