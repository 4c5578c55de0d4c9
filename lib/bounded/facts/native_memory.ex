defmodule Bounded.Facts.NativeMemory do
  @moduledoc false
  # What this library holds natively on a node that runs it.

  alias Bounded.Facts.{Probe, Top}
  alias Bounded.Native

  @listed 5

  @doc """
  Bytes charged, in binaries and orphaned, the number of quotas and the largest as `{bytes, %{pid: _, limit: _, label: _}}`; nil
  if the node does not run this library.
  """
  def gather(probe), do: Probe.if_known(fn -> figures(probe) end)

  defp figures(probe) do
    {{_heap, binaries, native, _total, _peak}, orphaned, _processes} =
      Probe.call(probe, Native, :node_usage, [])

    {count, largest} = quotas(probe, 0, {0, Top.new(@listed)})

    %{
      charged: native,
      binaries: binaries,
      orphaned: orphaned,
      quotas: count,
      largest: Top.to_list(largest)
    }
  end

  # In pieces: a node may have tens of thousands.
  defp quotas(probe, from, acc) do
    {quotas, next} = Probe.call(probe, Native, :quotas, [from])
    acc = Enum.reduce(quotas, acc, &add/2)
    if next, do: quotas(probe, next, acc), else: acc
  end

  defp add({pid, _caller, limit, _age, {{_, _, _, _, total, _}, _}, label}, {count, top}) do
    label = label && :erlang.binary_to_term(label)
    {count + 1, Top.add(top, total, %{pid: pid, limit: limit, label: label})}
  end
end
