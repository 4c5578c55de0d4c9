defmodule Bounded.Doctor.Ports do
  @moduledoc false
  # Ports: their queues, their number, and the programs that they run.

  alias Bounded.Doctor.Finding
  alias Bounded.Format

  # Bytes in port queues, and of a program, that are worth a finding.
  @queued 16 * 1024 * 1024
  @program 64 * 1024 * 1024
  # Percent of the limit of ports or processes.
  @many 80

  def examine(%{ports: ports, vm: vm, kernel: kernel}) do
    {count, limit} = vm.ports

    facts =
      [{"ports", "#{count} of #{limit}, #{Format.bytes(ports.queued)} queued"}] ++
        for {bytes, program} <- ports.programs, bytes > 0 do
          {"  program", "#{Format.bytes(bytes)} #{program.name} (pid #{program.os_pid})"}
        end

    {facts,
     queued(ports) ++
       Enum.flat_map(ports.programs, &program(&1, kernel.memory.limit)) ++
       many(:ports, vm.ports) ++ many(:processes, vm.processes)}
  end

  defp queued(%{queued: bytes, queues: [{_, port} | _]}) when bytes >= @queued do
    [
      %Finding{
        id: :port_queues,
        severity: :warning,
        figure: bytes,
        summary:
          "#{Format.bytes(bytes)} wait in port queues, most in #{port.name} of #{inspect(port.connected)}",
        remedy:
          "The other side reads slower than this node writes: set send_timeout, a lower high_watermark, or drop what is late"
      }
    ]
  end

  defp queued(_), do: []

  defp program({bytes, program}, limit) when bytes >= @program do
    if limit == nil or bytes * 10 >= limit do
      [
        %Finding{
          id: :child_program,
          severity: :warning,
          figure: bytes,
          summary:
            "the program #{program.name} (pid #{program.os_pid}), which #{inspect(program.connected)} runs, has " <>
              "#{Format.bytes(bytes)} resident in the same control group",
          remedy:
            "Limit it by itself (systemd-run --scope -p MemoryMax=..., ulimit -v), or run it elsewhere"
        }
      ]
    else
      []
    end
  end

  defp program(_, _), do: []

  defp many(kind, {count, limit}) when count * 100 >= limit * @many do
    [
      %Finding{
        id: :"many_#{kind}",
        severity: :critical,
        figure: count,
        summary: "#{count} of at most #{limit} #{kind} exist",
        remedy:
          "At the limit nothing more can be started. Find what does not end (groups of processes are listed here), or raise " <>
            if(kind == :ports, do: "+Q", else: "+P")
      }
    ]
  end

  defp many(_, _), do: []
end
