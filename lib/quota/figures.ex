defmodule Quota.Figures do
  @moduledoc false
  # What the VM says a process uses, in bytes. Costs the same however much it holds.

  alias Bounded.Native
  alias Quota.Vm

  @items [:memory, :garbage_collection_info, :reductions, :message_queue_len]

  @doc """
  `{heap, binaries, reductions, queue}` of a process, or nil when it is dead.

  Waits until the process can answer: not while it is in a NIF or a built-in function that does not yield.
  """
  def of(pid) do
    case Process.info(pid, @items) do
      nil ->
        nil

      [memory: heap, garbage_collection_info: info, reductions: work, message_queue_len: queue] ->
        {heap, binaries(info), work, queue}
    end
  end

  @doc """
  Reports the calling process's figures to its account. Bytes that it has left, or `:unlimited`.
  """
  def observe_own do
    if Native.own_quota() do
      {heap, binaries, _, _} = of(self())
      Native.own_observe(heap, binaries)
    else
      :unlimited
    end
  end

  defp binaries(info) do
    Vm.bytes(Keyword.fetch!(info, :bin_vheap_size) + Keyword.fetch!(info, :bin_old_vheap_size))
  end
end
