defmodule Bounded.Doctor.Processes do
  @moduledoc false
  # Large heaps, binaries that are held, long mailboxes, and many processes that are alike.

  alias Bounded.Doctor.Finding
  alias Bounded.Format

  @mib 1024 * 1024

  # Bytes of heap of a process or group that are worth a finding, if they are also a fifth of the VM's memory; and of binaries, if
  # they are a fifth of the VM's binaries.
  @large 64 * @mib
  @large_binaries 32 * @mib
  @large_share 5
  # A mailbox is worth a finding from this number of messages on, or from ten on if they have these bytes.
  @mailbox 10_000
  @mailbox_bytes 32 * @mib
  @some_messages 10

  # A collection that frees at least one part in this many shows that binaries were garbage. Otherwise they are in use.
  @mostly 2

  @garbage "pass them on in a process per message, or hibernate, or start the process with spawn_opt fullsweep_after: 10."
  @in_use "keep only the needed parts, copied (BoundedBinary.slice/3, compact/2), and gather them within Quota.run/3."

  @doc """
  `collected` is `%{pid => bytes of binaries that a collection has freed}`, empty unless collecting was allowed.
  """
  def examine(%{processes: processes, vm: %{memory: memory}}, collected) do
    facts =
      [{"processes", "#{processes.count}"}] ++
        for(
          {bytes, process} <- processes.heaps,
          do: {"  by heap", "#{Format.bytes(bytes)} #{process.name}"}
        ) ++
        for(
          {bytes, process} <- processes.holders,
          do: {"  by binaries", "#{Format.bytes(bytes)} in #{process.count} #{process.name}"}
        ) ++
        for {bytes, group} <- processes.groups,
            do:
              {"  alike",
               "#{Format.bytes(bytes)} in #{group.count}, the largest #{group.largest.name}"}

    mailboxes = Enum.flat_map(mailboxes(processes), &mailbox/1)
    flooded = for {pid, _} <- mailboxes, do: pid
    heaps = for {_, %{pid: pid}} = heap <- processes.heaps, pid not in flooded, do: heap
    holders = for {_, %{pid: pid}} = holder <- processes.holders, pid not in flooded, do: holder

    single =
      for {_, %{pid: pid}} = heap <- heaps, finding = huge(heap, memory.total), do: {pid, finding}

    holding =
      for {_, %{pid: pid}} = holder <- holders,
          finding = held(holder, memory.binary, collected),
          do: {pid, finding}

    found = mailboxes ++ single ++ holding
    pids = for {pid, _} <- found, do: pid

    groups =
      for {_, %{largest: %{pid: pid}}} = group <- processes.groups, pid not in pids, do: group

    {facts,
     for({_, finding} <- found, do: finding) ++ Enum.flat_map(groups, &alike(&1, memory.total))}
  end

  @doc "The processes whose collection would tell garbage from binaries in use."
  def worth_collecting(%{processes: processes, vm: %{memory: memory}}) do
    for {bytes, process} <- processes.holders, large?(bytes, memory.binary), do: process.pid
  end

  defp large?(bytes, held), do: bytes >= @large_binaries and bytes * @large_share >= held

  defp huge({bytes, process}, total) when bytes >= @large and bytes * @large_share >= total do
    %Finding{
      id: :huge_process,
      severity: :critical,
      figure: bytes,
      summary:
        "#{process.name} has #{Format.bytes(bytes)} of heap, stack and mailbox#{waiting(process)}",
      remedy:
        "A collection copies its heap and may need as much again. Run what makes it grow in Quota.run/3, or keep large state in ETS"
    }
  end

  defp huge(_, _), do: nil

  defp held({bytes, process}, held, collected) do
    cond do
      not large?(bytes, held) -> nil
      is_map_key(collected, process.pid) -> proved(bytes, process, collected[process.pid])
      true -> unknown(bytes, process)
    end
  end

  defp proved(bytes, process, freed) when freed * @mostly >= bytes do
    leak(
      bytes,
      "#{process.name} kept #{Format.bytes(bytes)} in #{process.count} binaries alive; a collection freed " <>
        "#{Format.bytes(freed)} of them (measured)"
    )
  end

  defp proved(bytes, process, freed) do
    holder(
      bytes,
      "#{process.name} holds #{Format.bytes(bytes)} in #{process.count} binaries; a collection freed " <>
        "#{Format.bytes(freed)} of them, so the rest are in use (measured)#{waiting(process)}"
    )
  end

  # Nothing that a process reports tells garbage from data in use: both are on its heap until a full collection.
  defp unknown(bytes, process) do
    %Finding{
      id: :binary_holder,
      severity: :warning,
      figure: bytes,
      summary:
        "#{process.name} references #{Format.bytes(bytes)} in #{process.count} binaries with a heap of " <>
          "#{Format.bytes(process.heap)}#{waiting(process)}. How much of it is garbage is not known: collect: true, or " <>
          "mix bounded.doctor --collect, finds out",
      remedy: "If they are in use: #{@in_use} If they are garbage: #{@garbage}"
    }
  end

  defp leak(bytes, summary) do
    %Finding{
      id: :binary_leak,
      severity: :warning,
      figure: bytes,
      summary: summary,
      remedy: @garbage
    }
  end

  defp holder(bytes, summary) do
    %Finding{
      id: :binary_holder,
      severity: :warning,
      figure: bytes,
      summary: summary,
      remedy: @in_use
    }
  end

  # Messages that a collection has moved into the heap are a part of it that no figure tells from the rest.
  defp waiting(%{queue: queue}) when queue >= @some_messages,
    do: "; #{queue} messages wait in its mailbox"

  defp waiting(_process), do: ""

  # A process that is large by itself is not slower than its senders: only what the messages have counts.
  defp mailboxes(processes) do
    Enum.uniq_by(
      for({_, process} <- processes.queues ++ processes.holders ++ processes.heaps, do: process),
      & &1.pid
    )
  end

  defp mailbox(%{queue: queue, messages: bytes} = process) do
    if queue >= @mailbox or (queue >= @some_messages and bytes >= @mailbox_bytes) do
      finding = %Finding{
        id: :mailbox,
        severity: :critical,
        figure: queue,
        summary:
          "#{queue} messages wait in the mailbox of #{process.name}, and have at least #{Format.bytes(bytes)}",
        remedy:
          "It is slower than its senders, or does not receive these messages: let senders call instead of cast, and drop " <>
            "messages that no clause matches. Quota.run/3 limits the mailbox with max_queue:"
      }

      [{process.pid, finding}]
    else
      []
    end
  end

  # Groups whose largest process has a finding of its own are left out by the caller.
  defp alike({bytes, group}, total) when bytes >= @large and bytes * @large_share >= total do
    [
      %Finding{
        id: :many_alike,
        severity: :warning,
        figure: bytes,
        summary:
          "#{group.count} processes started by the same function have #{Format.bytes(group.memory)} and reference " <>
            "#{Format.bytes(group.binaries)} of binaries together; the largest is #{group.largest.name}",
        remedy:
          "Start fewer at a time (Quota.Pool, Task.async_stream max_concurrency:), and limit each with Quota.put_limit/2"
      }
    ]
  end

  defp alike(_, _), do: []
end
