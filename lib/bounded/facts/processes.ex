defmodule Bounded.Facts.Processes do
  @moduledoc false
  # The largest processes by heap, by binaries and by mailbox, and processes that are alike, as groups. Every process is asked for a
  # few figures of constant cost. Details, such as the list of its binaries, are asked of the largest few only.

  alias Bounded.Facts.{Probe, Top}

  @listed 5
  @items [:memory, :message_queue_len, :garbage_collection_info, :initial_call]
  # `proc_lib` keeps there which function a process was started for. Single keys can be asked for from OTP 27 on.
  @started_for {:dictionary, :"$initial_call"}
  @details [:registered_name, :current_function, :status, :garbage_collection]
  # The binaries of longer mailboxes are not listed: that would take too long.
  @listed_messages 100_000
  # Nor are those of more messages measured.
  @measured_messages 10_000
  # What is copied on the node to be looked at is that of smaller processes, in bytes: the messages, and before OTP 27 the whole
  # dictionary.
  @copied_bytes 16 * 1024 * 1024
  # Groups of fewer processes are not reported.
  @alike 4

  @doc """
  The number of processes; the largest as `[{figure, process}]` by `heaps` (bytes), `holders` (bytes of binaries, each binary
  counted once) and `queues` (messages), each with the bytes that its messages have at least (`messages`); and `groups` of at least four
  that were started by one function, by bytes. Before OTP 27 that function is the one of `proc_lib` for all processes that it starts.
  """
  def gather(probe) do
    top = Top.new(@listed)
    scan = %{heaps: top, holders: top, queues: top, groups: %{}, count: 0}
    own = self()
    pids = for pid <- Probe.call(probe, :erlang, :processes, []), pid != own, do: pid

    scan =
      Probe.reduce(probe, pids, &:erlang.process_info/2, items(probe), scan, &scan(&1, &2, probe))

    %{
      count: scan.count,
      heaps: with_messages(probe, described(probe, scan.heaps)),
      holders:
        probe
        |> described(scan.holders)
        |> Enum.flat_map(&holder(probe, &1))
        |> Enum.sort_by(&(-elem(&1, 0))),
      queues: with_messages(probe, described(probe, scan.queues)),
      groups: groups(probe, scan.groups)
    }
  end

  defp items(%{release: release}) when release >= 27, do: @items ++ [@started_for]
  defp items(_probe), do: @items

  defp scan({_pid, :undefined}, scan, _probe), do: scan

  defp scan(
         {pid, [{:memory, memory}, {_, queue}, {_, info}, {_, call} | started_for]},
         scan,
         probe
       ) do
    binaries = Probe.bytes(probe, info[:bin_vheap_size] + info[:bin_old_vheap_size])
    heap = Probe.bytes(probe, info[:heap_block_size] + info[:old_heap_block_size])
    call = with [{@started_for, {_, _, _} = call}] <- started_for, do: call, else: (_ -> call)

    process = %{
      pid: pid,
      memory: memory,
      heap: heap,
      binaries: binaries,
      queue: queue,
      call: call
    }

    %{
      heaps: Top.add(scan.heaps, memory, process),
      holders: Top.add(scan.holders, binaries, process),
      queues: Top.add(scan.queues, queue, process),
      groups: Map.update(scan.groups, call, {1, memory, binaries, process}, &join(&1, process)),
      count: scan.count + 1
    }
  end

  # A group is `{processes, memory, binaries, its largest process}`. Binaries that its processes share count for each.
  defp join({count, memory, binaries, largest}, process) do
    largest = if size(process) > size(largest), do: process, else: largest
    {count + 1, memory + process.memory, binaries + process.binaries, largest}
  end

  defp size(process), do: process.memory + process.binaries

  defp groups(probe, groups) do
    groups
    |> Enum.filter(fn {_, {count, _, _, _}} -> count >= @alike end)
    |> Enum.reduce(Top.new(@listed), fn {_, {_, memory, binaries, _} = group}, top ->
      Top.add(top, memory + binaries, group)
    end)
    |> Top.to_list()
    |> Enum.map(fn {bytes, {count, memory, binaries, largest}} ->
      {bytes,
       %{count: count, memory: memory, binaries: binaries, largest: describe(probe, largest)}}
    end)
  end

  defp described(probe, top) do
    for {figure, process} <- Top.to_list(top), figure > 0, do: {figure, describe(probe, process)}
  end

  @doc "A name for people of a process that has `memory` bytes."
  def readable_name(probe, pid, memory) do
    call =
      case Probe.call(probe, :erlang, :process_info, [pid, :initial_call]) do
        {:initial_call, call} -> call
        :undefined -> nil
      end

    # From OTP 27 on the one key is asked for.
    call =
      with true <- probe.release >= 27,
           {@started_for, {_, _, _} = started_for} <-
             Probe.call(probe, :erlang, :process_info, [pid, @started_for]),
           do: started_for,
           else: (_ -> call)

    describe(probe, %{pid: pid, memory: memory, call: call}).name
  end

  # With a name for people, and what its collector last did.
  defp describe(probe, %{pid: pid} = process) do
    case Probe.call(probe, :erlang, :process_info, [pid, @details]) do
      [
        registered_name: name,
        current_function: current,
        status: status,
        garbage_collection: settings
      ] ->
        called = started(process.call) || started_for(probe, process) || current
        minor = settings[:minor_gcs]
        Map.merge(process, %{name: name(pid, name, called), status: status, minor_gcs: minor})

      :undefined ->
        Map.merge(process, %{name: inspect(pid), status: :exiting, minor_gcs: nil})
    end
  end

  defp name(pid, name, _called) when is_atom(name) and name != nil and name != [],
    do: "#{inspect(name)} #{inspect(pid)}"

  defp name(pid, _none, {module, function, arity}),
    do: "#{inspect(pid)} (#{Exception.format_mfa(module, function, arity)})"

  defp name(pid, _none, _), do: inspect(pid)

  # These start others' functions, and say nothing of them.
  defp started({:proc_lib, :init_p, _}), do: nil
  defp started({:erlang, :apply, _}), do: nil
  defp started(call), do: call

  # From OTP 27 on the scan has asked.
  defp started_for(%{release: release} = probe, %{pid: pid, memory: memory})
       when release < 27 and memory <= @copied_bytes do
    case Probe.call(probe, :erlang, :process_info, [pid, :dictionary]) do
      {:dictionary, dictionary} -> Keyword.get(dictionary, :"$initial_call")
      :undefined -> nil
    end
  end

  defp started_for(_probe, _process), do: nil

  defp with_messages(probe, top) do
    for {figure, process} <- top do
      {bytes, _count} = listed(probe, process)
      {figure, Map.put(process, :messages, messages(probe, process, bytes))}
    end
  end

  defp listed(probe, %{queue: queue} = process) when queue in 1..@listed_messages,
    do: unique(probe, process.pid)

  defp listed(_probe, _process), do: {0, 0}

  # At least: what lies outside of the heap, and the binaries that no term on the heap refers to. No figure of the VM has all binaries
  # in messages, or tells messages that a collection has moved into the heap from other terms there: where that is not too much, the
  # messages are measured.
  defp messages(_probe, %{queue: 0}, _listed), do: 0

  defp messages(probe, process, listed) do
    outside = max(process.memory - process.heap, 0) + max(listed - process.binaries, 0)
    max(outside, measured(probe, process))
  end

  # Where they are, in a process that ends with that: only the sum leaves the node. Binaries count in each message.
  defp measured(probe, %{queue: queue, memory: memory, pid: pid})
       when queue <= @measured_messages and memory <= @copied_bytes do
    expression =
      {:call, 1, remote(:external_size),
       [
         {:call, 1, remote(:process_info),
          [
            {:var, 1, :Pid},
            {:atom, 1, :messages}
          ]}
       ]}

    Probe.if_known(
      fn ->
        {:value, bytes, _} = Probe.call_apart(probe, :erl_eval, :expr, [expression, [Pid: pid]])

        bytes
      end,
      0
    )
  end

  defp measured(_probe, _process), do: 0

  defp remote(function), do: {:remote, 1, {:atom, 1, :erlang}, {:atom, 1, function}}

  defp holder(probe, {_bytes, process}) do
    case unique(probe, process.pid) do
      {0, _} ->
        []

      {bytes, count} ->
        messages = messages(probe, process, bytes)
        [{bytes, Map.merge(process, %{count: count, messages: messages})}]
    end
  end

  @doc "`{bytes, count}` of the binaries that a process references, each counted once."
  def unique(probe, pid) do
    case Probe.call(probe, :erlang, :process_info, [pid, :binary]) do
      {:binary, binaries} ->
        unique = Enum.uniq_by(binaries, &elem(&1, 0))
        {unique |> Enum.map(&elem(&1, 1)) |> Enum.sum(), length(unique)}

      :undefined ->
        {0, 0}
    end
  end
end
