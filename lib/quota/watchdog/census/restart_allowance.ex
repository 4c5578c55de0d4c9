defmodule Quota.Watchdog.Census.RestartAllowance do
  @moduledoc false
  # How many children of a supervisor may end before it gives up, and ends all others with it: `most` within `seconds`. `recent` have ended
  # in that time. `restart` is the child's: `:permanent`, `:transient` or `:temporary`.
  #
  # `:sys.get_state/1` would copy the supervisor's state, which has an entry for each child. So `:sys.replace_state/3` runs a function
  # inside the supervisor that throws its answer, which leaves the state as it is.

  defstruct [:supervisor, :restart, most: 3, seconds: 5, recent: 0]

  @timeout_ms 500

  @doc """
  The allowance that the first of `ancestors` has for its child `pid`, or nil if that is no supervisor. Waits up to 500 ms for its answer,
  and returns `least/1` without one.
  """
  def of(ancestors, pid) do
    case least(ancestors) do
      %{supervisor: supervisor} = least -> ask(supervisor, pid, least)
      nil -> nil
    end
  end

  @doc "The allowance of a supervisor that has not been asked: one child. nil if the first of `ancestors` is no supervisor."
  def least([parent | _]) do
    with supervisor when is_pid(supervisor) <- whereis(parent),
         true <- supervisor?(supervisor) do
      %__MODULE__{supervisor: supervisor, most: 1}
    else
      _ -> nil
    end
  end

  def least(_none), do: nil

  defp whereis(pid) when is_pid(pid) and node(pid) == node(), do: pid
  defp whereis(name) when is_atom(name), do: Process.whereis(name)
  defp whereis(_other), do: nil

  defp supervisor?(pid),
    do: match?({:supervisor, _, _}, Bounded.Dictionary.get(pid, :"$initial_call"))

  defp ask(supervisor, pid, least) do
    now = System.monotonic_time(:second)

    :sys.replace_state(
      supervisor,
      fn state -> throw({:allowance, read(state, pid, now)}) end,
      @timeout_ms
    )

    least
  rescue
    error in ErlangError ->
      case error.original do
        {:callback_failed, _, {:throw, {:allowance, {restart, most, seconds, recent}}}} ->
          %__MODULE__{
            supervisor: supervisor,
            restart: restart,
            most: most,
            seconds: seconds,
            recent: recent
          }

        _ ->
          least
      end
  catch
    :exit, _busy -> least
  end

  @doc false
  # `{restart, most, seconds, recent}` from the state of a `DynamicSupervisor` or of OTP's `:supervisor`.
  def read(%{children: children, max_restarts: most, max_seconds: seconds} = state, pid, now) do
    restart = with {_, restart, _, _, _} <- children[pid], do: restart, else: (_ -> :permanent)
    {restart, most, seconds, recent(state.restarts, now - seconds)}
  end

  def read(state, pid, now)
      when is_tuple(state) and elem(state, 0) == :state and tuple_size(state) > 7 do
    seconds = elem(state, 6)
    {restart(elem(state, 3), pid), elem(state, 5), seconds, recent(elem(state, 7), now - seconds)}
  end

  def read(_other, _pid, _now), do: {:permanent, 3, 5, 0}

  # `{ids, children by id}`; with `:simple_one_for_one` the one child is the pattern of all.
  defp restart({_ids, %{} = children}, pid) do
    children = Map.values(children)
    child = Enum.find(children, hd(children), &(elem(&1, 1) == pid))
    elem(child, 4)
  end

  defp restart(_other, _pid), do: :permanent

  defp recent(restarts, since) when is_list(restarts), do: Enum.count(restarts, &(&1 >= since))
  defp recent(_other, _since), do: 0
end
