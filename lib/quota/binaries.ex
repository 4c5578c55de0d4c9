defmodule Quota.Binaries do
  @moduledoc false
  # Counts each binary that a process holds once, where the VM counts every reference in full.

  alias Quota.Figures

  # Words per binary: on the heap of its holder at least, and in the answer that lists it.
  @held 5
  @listed 6
  # The answer may take this part of the limit.
  @affordable 3

  @doc """
  Bytes that the VM counts too much: references beyond the first and, unless `shared`, binaries that
  others hold as well. 0 where there may be so many binaries that listing them would cost more than it saves.
  """
  def slack(pid, shared, limit) do
    with {heap, _, _, _} <- Figures.of(pid),
         true <- div(heap, @held) * @listed * @affordable <= limit,
         {:binary, binaries} <- Process.info(pid, :binary) do
      too_much(binaries, shared)
    else
      _ -> 0
    end
  end

  # Only what is listed is known: a binary that is being appended to, for one, is not.
  defp too_much(binaries, shared) do
    binaries
    |> Enum.reduce(%{}, fn {address, size, holders}, known ->
      Map.update(known, address, {size, holders, 1}, fn {_, _, own} ->
        {size, holders, own + 1}
      end)
    end)
    |> Enum.reduce(0, fn {_, {size, holders, own}}, sum ->
      references = if shared or holders <= own, do: own - 1, else: own
      sum + size * references
    end)
  end
end
