defmodule Quota.Watchdog.Limits do
  @moduledoc false
  # Limits for processes of other people's code, by name, ancestor or initial call: `Quota.Watchdog.limit/2`.
  #
  # The census passes every process that it sees. A process is examined once; which ones were is kept in the census's dictionary.

  alias Bounded.{Dictionary, Native}
  alias Quota.Watch.{Guard, OrphanMonitor, Policy}

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

  @doc "Begins anew after the limits have changed."
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
    examined = Process.get(__MODULE__) || %{}

    unless is_map_key(examined, figures.pid) do
      Process.put(__MODULE__, Map.put(examined, figures.pid, true))
      with {matcher, bytes} <- find(limits, figures), do: put(figures.pid, bytes, matcher)
    end

    :ok
  end

  @doc "Forgets the processes that are dead."
  def prune do
    examined = Process.get(__MODULE__) || %{}
    Process.put(__MODULE__, Map.filter(examined, fn {pid, _} -> Process.alive?(pid) end))
  end

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

  # What another process keeps there may be anything, an improper list among it.
  defp among?([first | rest], wanted),
    do: (first != nil and first in wanted) or among?(rest, wanted)

  defp among?(_end, _wanted), do: false

  # By another process: the guard's first question waits for an answer.
  defp put(pid, bytes, matcher) do
    unless Native.in_quota(pid) do
      OrphanMonitor.ensure()
      account = Native.account_new(pid, bytes, nil, :erlang.term_to_binary(matcher))
      policy = %Policy{report: true}
      guard = Guard.start(pid, pid, account, policy)
      if Native.account_attach(account, pid), do: Native.account_guarded(account, guard)
    end

    :ok
  rescue
    # The process table is full: at the next look.
    SystemLimitError -> :ok
  end
end
