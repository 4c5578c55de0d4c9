defmodule Quota.Watchdog.Limits do
  @moduledoc false
  # Limits for processes of other people's code, by name, ancestor or initial call: `Quota.Watchdog.limit/2`.
  #
  # The census calls `match/2` for every process that it sees. Each process is examined once: the pids that were are kept in the process
  # dictionary of the census.

  alias Bounded.{Dictionary, Native}
  alias Quota.Watch.{Guard, OrphanMonitor, Policy}
  alias Quota.Watchdog.Census.ProcessFigures

  @doc "Raises `ArgumentError` unless `matcher` is one of `Quota.Watchdog.limit/2`."
  def matcher!(name) when is_atom(name) and name not in [nil, true, false], do: name

  def matcher!({:ancestor, of} = matcher) when (is_atom(of) and of != nil) or is_pid(of),
    do: matcher

  def matcher!({module, function, arity} = call)
      when is_atom(module) and is_atom(function) and is_integer(arity),
      do: call

  def matcher!(other) do
    raise ArgumentError,
          "expected a registered name, {:ancestor, name or pid} or {module, function, arity}, got: " <>
            inspect(other, limit: 5, printable_limit: 80)
  end

  @doc "Makes every process be examined again, after the limits have changed."
  def reset, do: Process.put(__MODULE__, %{})

  @doc "Limits the processes that have the registered names among `limits`."
  def names(limits) do
    for {name, bytes} when is_atom(name) <- limits,
        pid = Process.whereis(name),
        is_pid(pid),
        do: put(pid, bytes, name)

    :ok
  end

  @doc "Limits a process that one of `limits` matches, unless it has a limit."
  def match(limits, _figures) when limits == %{}, do: :ok

  def match(limits, figures) do
    unless examined?(figures.pid), do: matched(figures.pid, find(limits, figures))
    :ok
  end

  @doc """
  Starts a process that examines a running one, which may answer late, and sends `{:matched, limits, pid, found}` to the caller, for
  `matched/2`.
  """
  def ask(limits, _pid) when limits == %{}, do: :ok

  def ask(limits, pid) do
    unless examined?(pid) do
      ProcessFigures.ask(pid, fn figures, _took ->
        {:matched, limits, pid, figures && find(limits, figures)}
      end)
    end

    :ok
  end

  @doc "Limits a process by what was `found` for it: `{matcher, bytes}` or nil."
  def matched(pid, found) do
    Process.put(__MODULE__, Map.put(examined(), pid, true))
    with {matcher, bytes} <- found, do: put(pid, bytes, matcher)
  end

  @doc "Forgets the processes that are dead."
  def prune,
    do: Process.put(__MODULE__, Map.filter(examined(), fn {pid, _} -> Process.alive?(pid) end))

  defp examined, do: Process.get(__MODULE__) || %{}
  defp examined?(pid), do: is_map_key(examined(), pid)

  defp find(limits, figures) do
    call = Dictionary.get(figures.pid, :"$initial_call", figures.bytes)
    ancestors = Dictionary.get(figures.pid, :"$ancestors", figures.bytes)

    Enum.find(limits, fn
      {{:ancestor, ancestor}, _bytes} -> descends?(ancestors, figures.parent, ancestor)
      {{_, _, _} = mfa, _bytes} -> mfa in [call, figures.call]
      _name -> false
    end)
  end

  defp descends?(ancestors, parent, ancestor) do
    pid = if is_pid(ancestor), do: ancestor, else: Process.whereis(ancestor)
    (pid != nil and parent == pid) or among?(ancestors, [pid, ancestor])
  end

  # The value in another process's dictionary may be any term, an improper list for example.
  defp among?([first | rest], wanted),
    do: (first != nil and first in wanted) or among?(rest, wanted)

  defp among?(_end, _wanted), do: false

  # The guard, and not the census, asks the process: its first question waits for an answer.
  defp put(pid, bytes, matcher) do
    unless Native.in_quota(pid) do
      OrphanMonitor.ensure()
      account = Native.account_new(pid, bytes, nil, :erlang.term_to_binary(matcher))
      policy = %Policy{report: true}
      guard = Guard.start(pid, pid, account, policy)
      # First: a process that replaces this limit stops the guard that the account names.
      Native.account_guarded(account, guard)

      # Dead, or it has put a limit on itself meanwhile. The guard may be waiting for its answer, and is not waited for.
      if Native.account_adopt(account, pid) != :adopted do
        send(guard, :stop)
        Native.account_close(account)
      end
    end

    :ok
  rescue
    # The process table is full: tried again at the next look.
    SystemLimitError -> :ok
  end
end
