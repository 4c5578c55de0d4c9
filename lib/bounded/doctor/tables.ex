defmodule Bounded.Doctor.Tables do
  @moduledoc false
  # ETS tables and atoms: what no garbage collection reaches.

  alias Bounded.Doctor.{Finding, Top}
  alias Quota.{Text, Vm}

  @large 32 * 1024 * 1024
  @large_share 5

  # Of the limit on atoms, in percent. The VM ends when it is reached.
  @many_atoms 75

  @listed 5

  def examine(_root) do
    tables = Enum.reduce(:ets.all(), Top.new(@listed), &look/2) |> Top.to_list()
    atoms = %{count: :erlang.system_info(:atom_count), limit: :erlang.system_info(:atom_limit)}
    total = :erlang.memory(:total)

    facts =
      [
        {"atoms", "#{atoms.count} of #{atoms.limit}"},
        {"ETS tables", "#{Text.bytes(:erlang.memory(:ets))} in #{length(:ets.all())}"}
      ] ++
        for {bytes, table} <- tables,
            do: {"  by memory", "#{Text.bytes(bytes)} #{inspect(:ets.info(table, :name))}"}

    {facts, Enum.flat_map(tables, &table(&1, total)) ++ atoms(atoms)}
  end

  defp look(table, top) do
    case :ets.info(table, :memory) do
      :undefined -> top
      words -> Top.add(top, Vm.bytes(words), table)
    end
  end

  defp table({bytes, table}, total) when bytes >= @large and bytes * @large_share >= total do
    name = :ets.info(table, :name)
    rows = :ets.info(table, :size)
    owner = :ets.info(table, :owner)

    [
      %Finding{
        id: :large_table,
        severity: :warning,
        figure: bytes,
        summary:
          "the ETS table #{inspect(name)} of #{inspect(owner)} has #{rows} rows in #{Text.bytes(bytes)}, " <>
            "large binaries not counted",
        remedy:
          "Nothing but its owner's code removes rows: expire them. Rows are copied in: store " <>
            "BoundedBinary.compact/1 of what came out of larger binaries"
      }
    ]
  end

  defp table(_, _), do: []

  defp atoms(%{count: count, limit: limit}) when count * 100 >= limit * @many_atoms do
    [
      %Finding{
        id: :atoms,
        severity: :critical,
        figure: count,
        summary:
          "#{count} of at most #{limit} atoms exist; atoms are never collected, and the VM ends at the limit",
        remedy:
          "Something makes atoms of input: String.to_existing_atom/1, BoundedBinary.to_term/2, keys: :strings. " <>
            "Until that is found, restart with a larger +t"
      }
    ]
  end

  defp atoms(_), do: []
end
