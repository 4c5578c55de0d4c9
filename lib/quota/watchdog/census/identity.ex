defmodule Quota.Watchdog.Census.Identity do
  @moduledoc false
  # Who a suspect is: its name, what it was started for, its ancestors, and how often its supervisor may restart it. It is asked for
  # by another process as soon as a process is a suspect, so that it is known when the watchdog must decide.

  alias Bounded.{Dictionary, Vm}
  alias Quota.Watchdog.Census.RestartAllowance

  defstruct [:name, :call, :ancestors, :label, :allowance, supervisor?: false]

  @items [:registered_name, :initial_call, :total_heap_size]
  @most_ancestors 10

  @doc "Starts a process that asks for the identity and sends `{:identity, pid, identity}` to the caller."
  def ask(pid, bytes) do
    caller = self()

    :erlang.spawn_opt(
      fn ->
        # A supervisor that is starting a child answers only afterwards: until then, its allowance counts as one child.
        early = early(pid, bytes)
        send(caller, {:identity, pid, early})
        if early && early.allowance, do: send(caller, {:identity, pid, of(pid, bytes)})
      end,
      priority: :max
    )

    :ok
  rescue
    SystemLimitError -> :ok
  end

  @doc """
  The identity of a process of at least `bytes`. Waits for the answers of the process and of its supervisor. nil when the process is dead,
  or has not run yet.
  """
  def of(pid, bytes), do: identity(pid, bytes, &RestartAllowance.of/2)

  @doc "The same without asking the supervisor, whose allowance counts as one child."
  def early(pid, bytes),
    do: identity(pid, bytes, fn parents, _ -> RestartAllowance.least(parents) end)

  defp identity(pid, bytes, allowance) do
    case Process.info(pid, @items) do
      [registered_name: name, initial_call: call, total_heap_size: words] ->
        # The caller passes 0 for a process that it has not measured.
        bytes = max(bytes, Vm.bytes(words))
        started = Dictionary.get(pid, :"$initial_call", bytes)

        unless unborn?(call, started, bytes),
          do: new(pid, name, if(mfa?(started), do: started, else: call), bytes, allowance)

      nil ->
        nil
    end
  end

  # A process that has not run yet has no `$ancestors` yet. The next look asks again.
  defp unborn?({:proc_lib, :init_p, _}, nil, bytes), do: Dictionary.readable?(bytes)
  defp unborn?(_call, _started, _bytes), do: false

  defp new(pid, name, call, bytes, allowance) do
    ancestors = pid |> Dictionary.get(:"$ancestors", bytes) |> ancestors()

    %__MODULE__{
      name: if(is_atom(name), do: name),
      call: call,
      ancestors: ancestors,
      label: Dictionary.get(pid, :"$process_label", bytes),
      supervisor?: supervisor?(call),
      allowance: allowance.(ancestors, pid)
    }
  end

  # By its name: libraries have supervisors of their own, such as `:ranch_conns_sup`.
  defp supervisor?({:supervisor, _, _}), do: true

  defp supervisor?({module, _, _}),
    do: module |> Atom.to_string() |> String.ends_with?(["_sup", "Supervisor"])

  defp mfa?({module, function, arity}),
    do: is_atom(module) and is_atom(function) and is_integer(arity)

  defp mfa?(_other), do: false

  # The value in another process's dictionary may be any term, an improper list for example.
  defp ancestors(list, count \\ 0)

  defp ancestors([ancestor | rest], count)
       when count < @most_ancestors and (is_pid(ancestor) or is_atom(ancestor)),
       do: [ancestor | ancestors(rest, count + 1)]

  defp ancestors(_end, _count), do: []
end
