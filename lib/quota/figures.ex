defmodule Quota.Figures do
  @moduledoc false
  # What the VM says a process uses, in bytes. Costs the same however much it holds.
  #
  # Of the items that say how much memory a process has, `garbage_collection_info` alone is read without
  # asking the process, unless that runs at this very moment: it need not be scheduled to answer, which
  # among a thousand runnable processes takes seconds, and an idle one is not woken up. It does not see
  # the mailbox; `memory` does, and is asked where messages wait.

  alias Bounded.Native
  alias Quota.{Mailbox, Vm}

  @items [:garbage_collection_info, :message_queue_len, :reductions]

  @doc """
  `{heap, binaries, reductions, queue}` of a process, or nil when it is dead.

  Waits while the process is in a NIF or a built-in function that does not yield.
  """
  def of(pid), do: seen(pid, fn _info, _binaries -> 0 end)

  @doc """
  The same, as the VM's own limit judges it from OTP 26 on: heaps and binaries together with what the next
  collection copies. Before, the VM leaves out the binaries, and all of this to us; heaps alone it judges itself.
  """
  def judged(pid), do: seen(pid, if(Vm.release() >= 26, do: fn _, _ -> 0 end, else: &copied/2))

  defp copied(info, binaries), do: min(Vm.bytes(Keyword.fetch!(info, :heap_size)), binaries)

  @doc """
  `{heap, binaries}` of one of many without asking it: `:runs` where that cannot be, nil when it is dead. The mailbox
  is left out, since what is on its way there would have to be waited for.
  """
  def glance(pid) do
    case Process.info(pid, :status) do
      {:status, status} when status in [:running, :garbage_collecting] ->
        :runs

      {:status, _} ->
        with {:garbage_collection_info, info} <- Process.info(pid, :garbage_collection_info),
             do: {heap(pid, info, 0), binaries(info)}

      nil ->
        nil
    end
  end

  defp seen(pid, copied) do
    case Process.info(pid, @items) do
      nil ->
        nil

      [garbage_collection_info: info, message_queue_len: queue, reductions: work] ->
        binaries = binaries(info)

        with heap when is_integer(heap) <- heap(pid, info, queue),
             do: {heap + copied.(info, binaries), binaries, work, queue}
    end
  end

  defp heap(pid, info, queue) do
    with mailbox when is_integer(mailbox) <- mailbox(pid, info, queue),
         do: blocks(info) + mailbox
  end

  @doc "Bytes of `queue` messages that wait outside the heap, or nil when the process is dead."
  def mailbox(pid, info, queue), do: Mailbox.bytes(pid, blocks(info), queue)

  defp blocks(info) do
    Vm.bytes(
      Keyword.fetch!(info, :old_heap_block_size) +
        Keyword.fetch!(info, :heap_block_size) + Keyword.fetch!(info, :mbuf_size)
    )
  end

  @doc """
  Collects a process: `:ok`, or `:deferred` when it cannot be collected now.

  A process in a built-in function that yields half done is collected when that is over, which may be
  after it has filled the node. It is known by its having answered twice since, without being collected.
  """
  def collect(pid) do
    ref = make_ref()
    :erlang.garbage_collect(pid, async: ref)
    Process.info(pid, :memory)
    Process.info(pid, :memory)

    receive do
      {:garbage_collect, ^ref, _} -> :ok
    after
      0 -> :deferred
    end
  end

  @doc """
  Whether a process may be collected within `limit`: that takes a copy of what it holds, garbage at worst
  included, and more than it is worth where the VM would kill it for that.
  """
  def collectable?(pid, limit) do
    with {:garbage_collection_info, info} <- Process.info(pid, :garbage_collection_info) do
      used = Keyword.fetch!(info, :heap_size) + Keyword.fetch!(info, :old_heap_size)
      heap(pid, info, 0) + Vm.bytes(used) <= limit
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
