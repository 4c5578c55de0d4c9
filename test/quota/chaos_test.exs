defmodule Quota.ChaosTest do
  # Alone, because it counts what the node has.
  use ExUnit.Case, async: false

  @moduletag :native_speed

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  import Bounded.Eventually
  alias Bounded.Native
  alias Quota.{ExceededError, TimeoutError}

  @limit 256 * 1024
  @runs 100_000
  @callers 8

  # Milliseconds: what should take a few has failed if it takes this.
  @patience 60_000

  @bad ~w(heap binaries result native queue inner killed raise throw exit timeout)a

  @tag :slow
  @tag timeout: 600_000
  test "100,000 runs that end in every way: each outcome is right, and nothing is left over" do
    # What a node makes once.
    killer = killer()
    for kind <- [:fine | @bad], do: assert(outcome(kind, [], killer) in expected(kind))
    send(killer, :stop)
    # Other tests are over, but what they held may still be there.
    for %{pid: pid} <- Quota.list(), do: Process.exit(pid, :kill)

    nothing = %{
      native: 0,
      total: 0,
      orphaned: 0,
      attached: 0,
      quotas: 0,
      watchers: 0,
      messages: 0
    }

    eventually(fn -> assert left_over() == nothing end)
    sessions = sessions()
    atoms = :erlang.system_info(:atom_count)

    results =
      1..@callers
      |> Enum.map(fn n -> Task.async(fn -> caller(n) end) end)
      |> Task.await_many(500_000)

    assert Enum.flat_map(results, & &1.wrong) == []
    assert Enum.all?(results, &(&1.left == {[], [], 0}))
    # On all schedulers.
    used = results |> Enum.flat_map(& &1.schedulers) |> Enum.uniq()
    assert length(used) == :erlang.system_info(:schedulers_online)

    eventually(fn -> assert left_over() == nothing end)
    assert sessions() == sessions
    # Modules that are loaded meanwhile bring some.
    assert :erlang.system_info(:atom_count) < atoms + 1_000
  end

  # `mix test --seed N` repeats what it does, if not when.
  defp caller(n) do
    :rand.seed(:exsss, {ExUnit.configuration()[:seed], n, 0})
    killer = killer()
    # A task is linked and monitored by who awaits it.
    {links, monitors, _} = held()

    {wrong, schedulers} =
      Enum.reduce(1..div(@runs, @callers), {[], MapSet.new()}, fn _, {wrong, schedulers} ->
        kind = if :rand.uniform(10) == 1, do: Enum.random(@bad), else: :fine
        opts = options(kind)
        got = outcome(kind, opts, killer)
        wrong = if got in expected(kind), do: wrong, else: [{kind, opts, got} | wrong]
        {wrong, MapSet.put(schedulers, :erlang.system_info(:scheduler_id))}
      end)

    {links_now, monitors_now, queue} = held()
    left = {links_now -- links, monitors_now -- monitors, queue}
    send(killer, :stop)
    %{wrong: wrong, schedulers: MapSet.to_list(schedulers), left: left}
  end

  defp held do
    [links: links, monitors: monitors, message_queue_len: queue] =
      Process.info(self(), [:links, :monitors, :message_queue_len])

    {links, monitors, queue}
  end

  # Whatever else was asked for, the outcome is the same.
  defp options(kind) do
    List.flatten([
      if(kind == :timeout, do: {:timeout, :rand.uniform(6) - 1}, else: []),
      if(kind == :queue, do: {:max_queue, 20}, else: []),
      sometimes(4, {:label, {:chaos, kind}}),
      sometimes(4, {:inherit, [:some, :keys]}),
      sometimes(10, {:soft_limit, 200_000}),
      sometimes(20, {:count, Enum.random([[:children], [:ets], [:children, :ets]])}),
      if(kind == :timeout, do: [], else: sometimes(10, {:timeout, @patience}))
    ])
  end

  defp sometimes(n, option), do: if(:rand.uniform(n) == 1, do: option, else: [])

  defp outcome(kind, opts, killer) do
    opts = if kind == :queue, do: Keyword.put(opts, :max_queue, 20), else: opts
    opts = if kind == :timeout, do: Keyword.put_new(opts, :timeout, 1), else: opts

    case Quota.try_run(@limit, fn -> work(kind, killer) end, opts) do
      {:ok, value} -> {:ok, value}
      {:error, %ExceededError{category: category}} -> {:exceeded, category}
      {:error, %TimeoutError{}} -> :timeout
    end
  rescue
    error -> {:raised, error}
  catch
    kind, {reason, {Quota, :run, [@limit | _]}} -> {kind, reason, :run}
    kind, reason -> {kind, reason}
  end

  defp expected(:fine), do: [{:ok, {:fine, 1_000}}]
  defp expected(kind) when kind in [:heap, :binaries, :result, :queue], do: [{:exceeded, kind}]
  # Its own binaries are reserved and seen by the VM: whoever notices first.
  defp expected(:native), do: [{:exceeded, :native}, {:exceeded, :binaries}]
  defp expected(:inner), do: [{:ok, {:inner, :heap}}]
  defp expected(:killed), do: [{:exit, :killed, :run}]
  defp expected(:raise), do: [{:raised, %ArgumentError{message: "at random"}}]
  defp expected(:throw), do: [{:throw, :at_random}]
  defp expected(:exit), do: [{:exit, :at_random}]
  defp expected(:timeout), do: [:timeout]

  defp work(:fine, _), do: {:fine, length(Enum.to_list(1..1_000))}
  defp work(:heap, _), do: grow([])
  defp work(:binaries, _), do: keep([])
  defp work(:result, _), do: Enum.reduce(1..40, [], fn _, shared -> [shared | shared] end)
  defp work(:native, _), do: copy([])
  defp work(:raise, _), do: raise(ArgumentError, "at random")
  defp work(:throw, _), do: throw(:at_random)
  defp work(:exit, _), do: exit(:at_random)
  defp work(:timeout, _), do: Process.sleep(:infinity)

  defp work(:queue, _) do
    for n <- 1..100, do: send(self(), n)
    Process.sleep(:infinity)
  end

  defp work(:inner, _) do
    {:error, error} = Quota.try_run(65_536, fn -> grow([]) end)
    {:inner, error.category}
  end

  defp work(:killed, killer) do
    send(killer, {:kill, self()})
    Process.sleep(:infinity)
  end

  defp grow(list), do: grow([list | list])

  defp keep(kept) do
    # A heap of a few words, and time for the guard where it decides.
    if rem(length(kept), 8) == 0, do: Process.sleep(1)
    keep([:binary.copy(<<1>>, 8_192) | kept])
  end

  # Smaller ones are the VM's own.
  defp copy(kept), do: copy([BoundedBinary.copy(:binary.copy(<<1>>, 600_000)) | kept])

  # Somebody else, who kills at once or a little later.
  defp killer do
    spawn_link(fn -> kill() end)
  end

  defp kill do
    receive do
      {:kill, pid} ->
        if :rand.uniform(2) == 1, do: :erlang.yield()
        if :rand.uniform(20) == 1, do: Process.sleep(2)
        Process.exit(pid, :kill)
        kill()

      :stop ->
        :ok
    end
  end

  defp left_over do
    {{_heap, _binaries, native, total, _peak}, orphaned, attached} = Native.node_usage()
    {:message_queue_len, messages} = Process.info(self(), :message_queue_len)

    %{
      native: native,
      total: total,
      orphaned: orphaned,
      attached: attached,
      quotas: length(Quota.list()),
      watchers: Enum.count(Process.list(), &watcher?/1),
      messages: messages
    }
  end

  # Workers, guards, watchers of children and those who look for children. The orphan monitor stays.
  defp watcher?(pid) do
    case Process.info(pid, [:current_function, :initial_call]) do
      [current_function: {now, _, _}, initial_call: {first, _, _}] ->
        Enum.any?(
          [now, first],
          &(&1 in [
              Quota.Run,
              Quota.Run.Worker,
              Quota.Watch.Guard,
              Quota.Watch.ChildWatcher,
              Quota.Watch.Children
            ])
        )

      nil ->
        false
    end
  end

  # From OTP 27 all runs share one.
  defp sessions do
    if Bounded.Vm.release() >= 27, do: length(:trace.session_info(:all)), else: 0
  end
end
