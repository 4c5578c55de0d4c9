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
    if Native.in_quota(self()) do
      {heap, binaries, _, _} = of(self())
      Native.own_observe(heap, binaries)
    else
      :unlimited
    end
  end

  @doc """
  Whether the account is over its limit by what collecting cannot free: heaps, which the VM has
  collected and which need as much again for it, and tables.
  """
  def sure?(account) do
    {{heap, _, _, ets, _, _}, _} = Native.account_details(account)
    heap + ets > Native.account_limit(account)
  end

  @doc "Whether native memory or binaries of this library are charged to the account."
  def native?(account) do
    {{_, _, native, _, _, _}, _} = Native.account_details(account)
    native > 0
  end

  defp binaries(info) do
    Vm.bytes(Keyword.fetch!(info, :bin_vheap_size) + Keyword.fetch!(info, :bin_old_vheap_size))
  end
end
