defmodule Quota.Watchdog.Census.Identity do
  @moduledoc false
  # Who a suspect is: its name, what it was started for, its ancestors, and how often its supervisor may restart it. Asked by a process
  # of its own when a process becomes a suspect, so that it is known when the watchdog must decide.

  alias Bounded.Dictionary
  alias Quota.Watchdog.Census.RestartAllowance

  defstruct [:name, :call, :ancestors, :label, :allowance, supervisor?: false]

  @items [:registered_name, :initial_call]
  @most_ancestors 10

  @doc "Has another process ask, which sends `{:identity, pid, identity}` to the caller."
  def ask(pid, bytes) do
    caller = self()
    :erlang.spawn_opt(fn -> send(caller, {:identity, pid, of(pid, bytes)}) end, priority: :max)
    :ok
  rescue
    SystemLimitError -> :ok
  end

  @doc "The identity of a process of `bytes`, which waits for its answers. nil when it is dead."
  def of(pid, bytes) do
    case Process.info(pid, @items) do
      [registered_name: name, initial_call: call] ->
        started = Dictionary.get(pid, :"$initial_call", bytes)
        ancestors = pid |> Dictionary.get(:"$ancestors", bytes) |> ancestors()

        %__MODULE__{
          name: if(is_atom(name), do: name),
          call: if(mfa?(started), do: started, else: call),
          ancestors: ancestors,
          label: Dictionary.get(pid, :"$process_label", bytes),
          supervisor?: match?({:supervisor, _, _}, started),
          allowance: RestartAllowance.of(ancestors, pid)
        }

      nil ->
        nil
    end
  end

  defp mfa?({module, function, arity}),
    do: is_atom(module) and is_atom(function) and is_integer(arity)

  defp mfa?(_other), do: false

  # What another process keeps there may be anything, an improper list among it.
  defp ancestors(list, count \\ 0)

  defp ancestors([ancestor | rest], count)
       when count < @most_ancestors and (is_pid(ancestor) or is_atom(ancestor)),
       do: [ancestor | ancestors(rest, count + 1)]

  defp ancestors(_end, _count), do: []
end
