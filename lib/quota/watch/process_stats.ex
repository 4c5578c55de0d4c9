defmodule Quota.Watch.ProcessStats do
  @moduledoc false
  # The memory that a process uses by the VM's own figures, in bytes. Reading them takes the same time however much it holds.
  #
  # Of the items about memory only `garbage_collection_info` is read without asking the process, unless it runs at this very moment. So the
  # process need not be scheduled to answer, which among a thousand runnable processes takes seconds, and an idle one is not woken up. The
  # item leaves out the mailbox; `memory` includes it, and is asked for where messages wait.

  alias Bounded.{Native, Vm}
  alias Quota.Watch.Mailbox

  @items [:garbage_collection_info, :message_queue_len, :reductions]
  @own [:garbage_collection_info, :binary]
  @own_listed [:total_heap_size, :binary]
  # Percent of its live data that a heap has at most after two collections.
  @grown 125
  # A heap and its copy of more than this many times the limit are over it in any case: a process with live data of half a limit can have
  # garbage of a whole limit beside that, and as much as both again while they are copied.
  @beyond_doubt 3

  @doc """
  `{heap, binaries, reductions, queue}` of a process, or nil when it is dead.

  Waits while the process is in a NIF or a built-in function that does not yield.
  """
  def of(pid), do: seen(pid, fn _info -> 0 end)

  @doc """
  The same, where half of the heap in use is added to `heap`: the next collection may copy it all, and a growing heap has to be stopped
  before it exists twice. With half of it, live data of half a limit is still within the limit, in a heap a fifth larger than that.

  Just after a collection (`:collected`) the heap may be four times as large as its live data. The next collection makes it smaller, so
  it counts with the size that it has then. A process that is not suspended meanwhile runs on before it can answer. What it has
  allocated since does not count: the heap is collected again before it grows. While a collection is due (`:due`), empty parts of the
  heap do not count.
  """
  def judged(pid, :uncollected), do: seen(pid, &div(used(&1), 2))

  def judged(pid, :collected),
    do: seen(pid, &shrunk(&1, if(Vm.resumes?(), do: used(&1), else: live(&1))))

  def judged(pid, :due), do: seen(pid, &shrunk(&1, used(&1)))

  # Bytes to add to the size of the heaps if `used` bytes of them are in use: half of these, less what a collection would free.
  defp shrunk(info, used), do: div(used, 2) - unused(info, used)

  # Bytes of the heaps beyond the size that a collection would leave. The stack is in the block of the young heap, and stays.
  defp unused(info, used) do
    blocks = Keyword.fetch!(info, :heap_block_size) + Keyword.fetch!(info, :old_heap_block_size)
    heaps = Vm.bytes(blocks - Keyword.fetch!(info, :stack_size))
    max(heaps - div(used * @grown, 100), 0)
  end

  # An upper bound of the bytes that were live when the last collection ended.
  defp live(info),
    do: Vm.bytes(Keyword.fetch!(info, :recent_size) + Keyword.fetch!(info, :old_heap_size))

  @doc """
  Whether more than half of `limit` bytes of a process's heap are live, by its last collection. Unknown, and so false, if there were two or
  more minor collections since the last major one.
  """
  def live_over_half?(pid, limit) do
    case Process.info(pid, [:garbage_collection_info, :garbage_collection]) do
      [garbage_collection_info: info, garbage_collection: settings] ->
        Keyword.fetch!(settings, :minor_gcs) <= 1 and live(info) > div(limit, 2)

      nil ->
        false
    end
  end

  @doc "`{bytes of its heap that are in use, garbage included, binaries}`, or nil when it is dead."
  def in_use(pid) do
    with {:garbage_collection_info, info} <- Process.info(pid, :garbage_collection_info),
         do: {used(info), binaries(info)}
  end

  defp used(info),
    do: Vm.bytes(Keyword.fetch!(info, :heap_size) + Keyword.fetch!(info, :old_heap_size))

  @doc """
  `{heap, binaries, list}` of the calling process, with the list of the binaries that it references. By one call of a built-in function:
  garbage may be collected when it returns, so a second call could see less than the first.

  From OTP 26 on the sum of the list is what the VM counts as binaries. Before, a binary that is being appended to is not listed:
  `own_counted/0` counts it.
  """
  def own_listed do
    [total_heap_size: words, binary: list] = :erlang.process_info(self(), @own_listed)
    {Vm.bytes(words), sum(list, 0), list}
  end

  @doc """
  Bytes that the collector counts as binaries of the calling process, which includes one that is being appended to. On OTP 25 the call
  takes two thirds of a microsecond, most of it to look up the names of the figures in the atom table.
  """
  def own_counted do
    {:garbage_collection_info, info} = :erlang.process_info(self(), :garbage_collection_info)
    binaries(info)
  end

  @doc "The same as `own_listed/0`, of a process that was collected just now. The mailbox is left out."
  def own_collected do
    [garbage_collection_info: info, binary: list] = :erlang.process_info(self(), @own)
    {heap(self(), info, 0) - unused(info, used(info)), binaries(info), list}
  end

  defp sum([], sum), do: sum
  defp sum([{_, size, _} | list], sum), do: sum(list, sum + size)

  @doc """
  `{heap, binaries}` of one of many processes without asking it; `:runs` if it runs, and so would have to be asked; nil when it is dead.
  The mailbox is left out: signals on their way to it would have to be handled first. Waits only while the process is in a call that does
  not yield: then even its status is not answered.
  """
  def glance(pid) do
    case Process.info(pid, :status) do
      {:status, status} when status in [:running, :garbage_collecting] ->
        :runs

      {:status, _} ->
        at_rest(pid)

      nil ->
        nil
    end
  end

  @doc "`{heap, binaries}` of a process that does not run, without its mailbox, or nil when it is dead."
  def at_rest(pid) do
    with {:garbage_collection_info, info} <- Process.info(pid, :garbage_collection_info),
         do: {heap(pid, info, 0), binaries(info)}
  end

  @doc """
  `{heap, binaries, queue, trace}` of a process without asking it; `:runs` if it runs; nil when it is dead. `trace` is nil unless the
  process waits for a message. It is a term that changes when the process has allocated anything.

  The process is asked only where messages wait outside its heap: for their size.
  """
  def glimpse(pid) do
    with {:status, status} when status not in [:running, :garbage_collecting] <-
           Process.info(pid, :status),
         [garbage_collection_info: info, message_queue_len: queue] <-
           Process.info(pid, [:garbage_collection_info, :message_queue_len]),
         heap when is_integer(heap) <- heap(pid, info, queue) do
      trace = Keyword.take(info, [:heap_size, :stack_size, :mbuf_size, :old_heap_size])
      {heap, binaries(info), queue, if(status == :waiting, do: {queue, trace})}
    else
      {:status, _} -> :runs
      nil -> nil
    end
  end

  defp seen(pid, copied) do
    case Process.info(pid, @items) do
      nil ->
        nil

      [garbage_collection_info: info, message_queue_len: queue, reductions: work] ->
        binaries = binaries(info)

        with heap when is_integer(heap) <- heap(pid, info, queue),
             do: {heap + copied.(info), binaries, work, queue}
    end
  end

  defp heap(pid, info, queue) do
    with mailbox when is_integer(mailbox) <- Mailbox.bytes(pid, queue),
         do: Mailbox.heap(info) + mailbox
  end

  @doc """
  Collects the garbage of a process: `:ok`, or `{:deferred, ref}` if it cannot be collected yet. A message `{:garbage_collect, ref, _}` then
  comes.

  A process on a dirty scheduler, or in a built-in function that yields half done, is collected when that is over, which may be after it
  has filled the node. Such a process answers two questions without being collected before.
  """
  def collect(pid) do
    ref = make_ref()
    :erlang.garbage_collect(pid, async: ref)
    Process.info(pid, :memory)
    Process.info(pid, :memory)

    receive do
      {:garbage_collect, ^ref, _} -> :ok
    after
      0 -> {:deferred, ref}
    end
  end

  @doc """
  Whether a collection of the process is affordable: its heap and the copy, garbage included, take at most #{@beyond_doubt} times
  `limit`. A larger heap is over the limit in any case, so a collection would cost memory and decide nothing. Empty parts of the heap count
  only where the process may be suspended: OTP 25 sometimes never runs it again after a large collection.
  """
  def collectable?(pid, limit) do
    with {:garbage_collection_info, info} <- Process.info(pid, :garbage_collection_info) do
      used = used(info)
      empty = if Vm.resumes?(), do: 0, else: unused(info, used)
      heap(pid, info, 0) - empty + used <= @beyond_doubt * limit
    end
  end

  @doc """
  Reports the calling process's figures to its account. Returns the bytes that its quota has left, or `:unlimited` without a quota.
  """
  def observe_own do
    if Native.in_quota(self()) do
      {heap, binaries, _, _} = of(self())
      Native.own_observe(heap, binaries)
    else
      :unlimited
    end
  end

  @doc "Whether the account stays over its limit after a collection: its tables alone are over it, or its heap is more than garbage explains."
  def sure?(account) do
    {{heap, _, _, ets, _, _}, _} = Native.account_details(account)
    limit = Native.account_limit(account)
    ets > limit or heap + ets > @beyond_doubt * limit
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
