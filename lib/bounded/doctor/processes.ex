defmodule Bounded.Doctor.Processes do
  @moduledoc false
  # The largest processes by heap and by binaries held, and long mailboxes. One cheap look at each process;
  # the binaries, one by one, of those few that hold most.

  alias Bounded.Doctor.{Finding, Top}
  alias Quota.{Text, Vm}

  @mib 1024 * 1024

  # A process is large when it has this much, and at least a fifth of what the VM has in all.
  @large 64 * @mib
  @large_binaries 32 * @mib
  @large_share 5

  @mailbox 10_000

  # Binaries held by a heap this many times smaller are not data that it works with.
  @idle_ratio 100

  @listed 5

  @look [:memory, :message_queue_len, :garbage_collection_info]

  def examine(_root) do
    largest = %{heap: Top.new(@listed), binaries: Top.new(@listed), queue: Top.new(@listed)}
    {largest, count} = Enum.reduce(:erlang.processes(), {largest, 0}, &look/2)
    heaps = Top.to_list(largest.heap)
    holders = largest.binaries |> Top.to_list() |> Enum.flat_map(&binaries/1) |> Enum.sort(:desc)
    queues = Top.to_list(largest.queue)
    total = :erlang.memory(:total)
    held = :erlang.memory(:binary)

    facts =
      [{"processes", "#{count}"}] ++
        for({bytes, pid} <- heaps, do: {"  by heap", "#{Text.bytes(bytes)} #{name(pid)}"}) ++
        for {bytes, n, _heap, pid} <- holders,
            do: {"  by binaries", "#{Text.bytes(bytes)} in #{n} #{name(pid)}"}

    findings =
      Enum.flat_map(heaps, &huge(&1, total)) ++
        Enum.flat_map(holders, &holder(&1, held)) ++ Enum.flat_map(queues, &mailbox/1)

    {facts, findings}
  end

  defp look(pid, {largest, count}) do
    case pid != self() && Process.info(pid, @look) do
      [memory: memory, message_queue_len: queue, garbage_collection_info: info] ->
        words = info[:bin_vheap_size] + info[:bin_old_vheap_size]

        largest = %{
          heap: Top.add(largest.heap, memory, pid),
          binaries: Top.add(largest.binaries, Vm.bytes(words), {pid, memory}),
          queue: Top.add(largest.queue, queue, pid)
        }

        {largest, count + 1}

      _self_or_dead ->
        {largest, count}
    end
  end

  # `{bytes, count, heap, pid}`, each binary once, however often the process refers to it.
  defp binaries({0, _}), do: []

  defp binaries({_, {pid, memory}}) do
    case Process.info(pid, :binary) do
      {:binary, [_ | _] = binaries} ->
        unique = Enum.uniq_by(binaries, &elem(&1, 0))
        [{unique |> Enum.map(&elem(&1, 1)) |> Enum.sum(), length(unique), memory, pid}]

      _none_or_dead ->
        []
    end
  end

  defp huge({bytes, pid}, total) when bytes >= @large and bytes * @large_share >= total do
    [
      %Finding{
        id: :huge_process,
        severity: :critical,
        figure: bytes,
        summary: "#{name(pid)} has #{Text.bytes(bytes)} of heap, stack and mailbox",
        remedy:
          "A collection copies its heap and may need as much again. Run what makes it grow in Quota.run/3, keep large state in ETS"
      }
    ]
  end

  defp huge(_, _), do: []

  defp holder({bytes, count, heap, pid}, held)
       when bytes >= @large_binaries and bytes * @large_share >= held and
              heap * @idle_ratio <= bytes do
    [
      %Finding{
        id: :binary_leak,
        severity: :warning,
        figure: bytes,
        summary:
          "#{name(pid)} keeps #{Text.bytes(bytes)} in #{count} binaries alive with a heap of #{Text.bytes(heap)}, " <>
            "and would let go of most when collected, unless it is a cache",
        remedy:
          "If it only passes them on: do that in a process per message, or hibernate, or start it with " <>
            "spawn_opt fullsweep_after: 10. If it keeps parts of them: BoundedBinary.copy/1 or compact/2"
      }
    ]
  end

  defp holder({bytes, count, _heap, pid}, held)
       when bytes >= @large_binaries * 2 and bytes * @large_share >= held do
    [
      %Finding{
        id: :binary_holder,
        severity: :warning,
        figure: bytes,
        summary: "#{name(pid)} holds #{Text.bytes(bytes)} in #{count} binaries",
        remedy:
          "If it needs parts of them only, keep those with BoundedBinary.slice/3; run what collects them in Quota.run/3"
      }
    ]
  end

  defp holder(_, _), do: []

  defp mailbox({queue, pid}) when queue >= @mailbox do
    [
      %Finding{
        id: :mailbox,
        severity: :critical,
        figure: queue,
        summary: "#{queue} messages wait in the mailbox of #{name(pid)}",
        remedy:
          "It does not keep up, or does not receive what it is sent: let senders call instead of cast, and drop " <>
            "what nobody matches. Quota.run/3 limits the mailbox of the work that it runs"
      }
    ]
  end

  defp mailbox(_), do: []

  # What a person can find it by.
  defp name(pid) do
    case Process.info(pid, [:registered_name, :dictionary, :current_function]) do
      [registered_name: name, dictionary: _, current_function: _] when name not in [[], nil] ->
        "#{inspect(name)} #{inspect(pid)}"

      [registered_name: _, dictionary: dictionary, current_function: current] ->
        "#{inspect(pid)} (#{place(dictionary[:"$initial_call"] || current)})"

      nil ->
        inspect(pid)
    end
  end

  defp place({module, function, arity}), do: Exception.format_mfa(module, function, arity)
  defp place(_), do: "unknown"
end
