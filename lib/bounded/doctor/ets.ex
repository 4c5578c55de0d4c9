defmodule Bounded.Doctor.Ets do
  @moduledoc false
  # ETS tables, persistent terms and atoms: no garbage collection reaches them.

  alias Bounded.Doctor.Finding
  alias Bounded.Format

  # Bytes of a table that are worth a finding, if they are also a fifth of the VM's memory.
  @large 32 * 1024 * 1024
  @large_share 5
  # The same for binaries that no listed process holds.
  @binaries 64 * 1024 * 1024
  # Messages that may hold such binaries.
  @some_messages 10
  # Percent of the limit of atoms. The VM ends when it is reached.
  @many_atoms 75

  def examine(%{tables: tables, vm: vm} = facts) do
    {atoms, atom_limit} = vm.atoms

    lines =
      [
        {"atoms", "#{atoms} of #{atom_limit}"},
        {"ETS tables", "#{Format.bytes(vm.memory.ets)} in #{tables.count}"}
      ] ++
        for {bytes, table} <- tables.largest,
            do: {"  by memory", "#{Format.bytes(bytes)} #{inspect(table.name)}"}

    total = vm.memory.total

    {lines,
     Enum.flat_map(tables.largest, &large(&1, total)) ++
       Enum.flat_map(tables.groups, &alike(&1, tables.largest, total)) ++
       elsewhere(facts) ++
       persistent_terms(vm.persistent_terms, total) ++ atoms(atoms, atom_limit)}
  end

  defp large({bytes, table}, total) when bytes >= @large and bytes * @large_share >= total do
    [
      %Finding{
        id: :large_table,
        severity: :warning,
        figure: bytes,
        summary:
          "the ETS table #{inspect(table.name)} of #{inspect(table.owner)} has #{table.size} rows in " <>
            "#{Format.bytes(bytes)}, binaries over 64 bytes not counted",
        remedy:
          "Only its owner's code removes rows: expire them. Store BoundedBinary.compact/1 of terms that were cut out of " <>
            "larger binaries"
      }
    ]
  end

  defp large(_, _), do: []

  # Tables of one name, none of which is large enough for a finding of its own.
  defp alike({bytes, %{name: name, count: count}}, largest, total)
       when bytes >= @large and bytes * @large_share >= total do
    if Enum.any?(largest, fn {own, table} ->
         table.name == name and large({own, table}, total) != []
       end) do
      []
    else
      [
        %Finding{
          id: :many_tables,
          severity: :warning,
          figure: bytes,
          summary:
            "#{count} ETS tables named #{inspect(name)} have #{Format.bytes(bytes)} together",
          remedy: "Delete the tables of work that is done, or expire their rows"
        }
      ]
    end
  end

  defp alike(_, _, _), do: []

  # Binaries are memory that processes and tables share. What the largest holders do not reference is elsewhere.
  defp elsewhere(%{processes: processes, vm: %{memory: memory}, tables: tables}) do
    held = Enum.sum(for {bytes, _} <- processes.holders, do: bytes)
    grouped = Enum.sum(for {_, group} <- processes.groups, do: group.binaries)
    rest = memory.binary - max(held, grouped) - waiting(processes)

    if rest >= @binaries and rest * 2 >= memory.binary and tables.count > 0 do
      [
        %Finding{
          id: :binaries_elsewhere,
          severity: :warning,
          figure: rest,
          summary:
            "#{Format.bytes(rest)} of binaries are referenced by none of the processes that hold most, so ETS rows, messages " <>
              "or many small holders keep them#{longest_mailbox(processes.queues)}",
          remedy:
            "Look at tables with many rows and few words a row. Store BoundedBinary.compact/1 of parts of larger binaries"
        }
      ]
    else
      []
    end
  end

  # Binaries in messages, at least, without those that their processes are seen to hold.
  defp waiting(processes) do
    held = Map.new(processes.holders, fn {bytes, holder} -> {holder.pid, bytes} end)

    Enum.sum(
      for {_, process} <- processes.queues,
          do: max(process.messages - process.memory - Map.get(held, process.pid, 0), 0)
    )
  end

  # From OTP 27 on no figure has the binaries in messages that a process has not received.
  defp longest_mailbox([{messages, process} | _]) when messages >= @some_messages,
    do: ". #{messages} messages wait in the mailbox of #{process.name}"

  defp longest_mailbox(_), do: ""

  defp persistent_terms(%{count: count, memory: bytes}, total)
       when bytes >= @large and bytes * @large_share >= total do
    [
      %Finding{
        id: :persistent_terms,
        severity: :warning,
        figure: bytes,
        summary: "#{count} persistent terms have #{Format.bytes(bytes)}",
        remedy:
          "They stay until they are erased, and a replaced term is copied into every process that uses it: keep data that " <>
            "changes in ETS"
      }
    ]
  end

  defp persistent_terms(_, _), do: []

  defp atoms(count, limit) when count * 100 >= limit * @many_atoms do
    [
      %Finding{
        id: :atoms,
        severity: :critical,
        figure: count,
        summary:
          "#{count} of at most #{limit} atoms exist. Atoms are never collected, and the VM ends at the limit",
        remedy:
          "Code makes atoms of input: use String.to_existing_atom/1, BoundedBinary.to_term/2, keys: :strings. Until that is " <>
            "found, restart with a larger +t"
      }
    ]
  end

  defp atoms(_, _), do: []
end
