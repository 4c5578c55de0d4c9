defmodule Quota.Watchdog.Immunity do
  @moduledoc false
  # Which processes the watchdog never ends: those that the node cannot run without, supervisors, what `protect:` names, and its own.

  alias Quota.Watchdog.Census.RestartAllowance

  # Without these a node stops, or does no input and output.
  @names [
    :init,
    :erts_code_purger,
    :erl_prim_loader,
    :application_controller,
    :kernel_sup,
    :kernel_safe_sup,
    :kernel_refc,
    :code_server,
    :file_server_2,
    :user,
    :user_drv,
    :standard_error,
    :standard_error_sup,
    :rex,
    :erpc,
    :global_name_server,
    :global_group,
    :inet_db,
    :net_sup,
    :net_kernel,
    :auth,
    :erl_epmd,
    :erl_signal_server,
    :socket_registry,
    :timer_server,
    :elixir_sup,
    :elixir_config,
    :elixir_code_server,
    :logger,
    :logger_sup,
    :logger_handler_watcher
  ]

  @modules [
    :init,
    :otp_ring0,
    :application_master,
    :erts_code_purger,
    :erts_literal_area_collector,
    :erts_dirty_process_signal_handler,
    :erts_trace_cleaner,
    :prim_file
  ]

  @kernel [:kernel_sup, :kernel_safe_sup]
  @loggers [:logger_sup]

  @doc """
  Why `pid` must not be ended, or nil if it may. `identity` is nil while it is not known. `own` are the watchdog's processes. `alone`:
  whether nothing else grew by more than half as much. Only then may a logger end.
  """
  def reason(pid, identity, protect, own, alone) do
    cond do
      pid in own -> :watchdog
      named?(pid, @names) -> :system
      protected?(pid, identity, protect) -> :protected
      identity == nil -> nil
      identity.supervisor? -> :supervisor
      system?(identity) -> :system
      logger?(identity) and not alone -> :logger
      true -> nil
    end
  end

  # `whereis` reads a table: it asks no process, and so cannot wait.
  defp named?(pid, names), do: Enum.any?(names, &(Process.whereis(&1) == pid))

  defp system?(%{call: {module, _, _}}) when module in @modules, do: true

  defp system?(%{ancestors: ancestors} = identity),
    do: Enum.any?(ancestors, &(&1 in @kernel)) and not logger?(identity)

  defp logger?(%{ancestors: ancestors}), do: Enum.any?(ancestors, &(&1 in @loggers))

  defp protected?(pid, identity, protect) do
    Enum.any?(protect, fn
      ^pid -> true
      name when is_atom(name) -> Process.whereis(name) == pid
      {:ancestor, ancestor} -> identity != nil and descends?(identity.ancestors, ancestor)
      {_, _, _} = call -> identity != nil and identity.call == call
      _other -> false
    end)
  end

  defp descends?(ancestors, ancestor) when is_pid(ancestor),
    do:
      ancestor in ancestors or
        Enum.any?(ancestors, &(is_atom(&1) and Process.whereis(&1) == ancestor))

  defp descends?(ancestors, name), do: name in ancestors or Process.whereis(name) in ancestors

  @doc """
  Whether the supervisor of a process survives its end, by its restart intensity. `ends` are `{supervisor, milliseconds}` of the children
  that the watchdog has ended.
  """
  def restartable?(nil, _ends, _now), do: true
  def restartable?(%{allowance: nil}, _ends, _now), do: true
  def restartable?(%{allowance: %RestartAllowance{restart: :temporary}}, _ends, _now), do: true

  def restartable?(%{allowance: allowance}, ends, now) do
    own =
      for {supervisor, at} <- ends,
          supervisor == allowance.supervisor,
          now - at <= allowance.seconds * 1_000,
          do: at

    max(length(own), allowance.recent) < allowance.most
  end
end
