defmodule Quota.Guard do
  @moduledoc false
  # Watches the process of one quota: looks at it by deadline, kills it over its limit, and when its
  # caller dies. It knows pids and the account, never the work or its result.

  alias Bounded.Native
  alias Quota.Figures

  @doc "Starts watching `pid` for `caller`."
  def start(pid, caller, account) do
    :erlang.spawn_opt(__MODULE__, :watch, [pid, caller, account], priority: :high)
  end

  @doc false
  def watch(pid, caller, account) do
    Process.monitor(caller)
    Process.monitor(pid)
    wait({pid, account}, 1)
  end

  defp wait({pid, _} = watched, milliseconds) do
    receive do
      {:DOWN, _, _, ^pid, _} -> :ok
      {:DOWN, _, _, _caller, _} -> kill(watched)
    after
      milliseconds -> look(watched)
    end
  end

  defp look({_, account} = watched) do
    case poll(watched) do
      milliseconds when is_integer(milliseconds) -> wait(watched, milliseconds)
      {:near, milliseconds} -> wait(noted(watched), milliseconds)
      {:over, heap} -> over(noted(watched), heap > Native.account_limit(account))
      :dead -> wait(watched, :infinity)
    end
  end

  defp poll({pid, account}) do
    case Figures.of(pid) do
      nil ->
        :dead

      {heap, binaries, work, _} ->
        with :over <- Native.account_poll(account, heap, binaries, work), do: {:over, heap}
    end
  end

  # Where it balloons: what the error will show.
  defp noted({pid, account} = watched) do
    with {:current_stacktrace, stack} <- Process.info(pid, :current_stacktrace) do
      Native.account_stack(account, :erlang.term_to_binary(stack))
    end

    watched
  end

  # Heap alone: collecting needs as much again, and the VM has done it.
  defp over(watched, true), do: breach(watched)

  # Fair before fatal: binaries may be garbage that nobody has collected yet.
  defp over({pid, _} = watched, false) do
    :erlang.garbage_collect(pid)

    case poll(watched) do
      {:over, _} -> breach(watched)
      :dead -> wait(watched, :infinity)
      {:near, milliseconds} -> wait(watched, milliseconds)
      milliseconds -> wait(watched, milliseconds)
    end
  end

  defp breach({_, account} = watched) do
    Native.account_breach(account)
    kill(watched)
  end

  # `:kill`, because a process that traps exits survives anything softer.
  defp kill({pid, _} = watched) do
    Process.exit(pid, :kill)
    wait(watched, :infinity)
  end
end
