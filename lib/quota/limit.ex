defmodule Quota.Limit do
  @moduledoc false
  # Implements `Quota.put_limit/2`: a limit on the calling process for its life. All of its state is in the account, which is
  # found by pid.

  alias Bounded.{Native, Vm}
  alias Quota.{Options, Preload, Run}
  alias Quota.Account.Opening
  alias Quota.Run.Captures
  alias Quota.Watch.{Guard, OrphanMonitor, Policy, Tracer}

  def put(limit, opts) do
    options = Options.validate!(limit, opts)
    Preload.ensure()
    Captures.check_label!(limit, options)
    before = before()
    account = Opening.open(limit, options, nil)
    Run.admit(options, account, limit)
    policy = Policy.new(options, true)
    install(account, limit, policy, before)
  end

  # The account of the previous limit, or nil.
  defp before do
    process = self()

    case Native.own_account() do
      nil -> nil
      {account, ^process} -> account
      {_, _} -> raise ArgumentError, "this process has a limit already: nest Quota.run/3 in it"
    end
  end

  # Processes are started first, because the process table may be full. Then either the whole limit is installed or the
  # previous one stays.
  defp install(account, limit, policy, before) do
    guard = start_watching(account, policy)
    if before, do: remove(before)
    attach(account, guard)
    trace(account, limit, policy, guard)
  end

  defp attach(account, guard) do
    if Native.account_adopt(account, self()) == :taken do
      make_room(account, guard)
      attach(account, guard)
    end
  end

  # The watchdog has put a limit on this process meanwhile, or a quota has begun to count it.
  defp make_room(account, guard) do
    taken = before()
    if taken, do: remove(taken)
  rescue
    error in ArgumentError ->
      Guard.stop(guard)
      Native.account_close(account)
      reraise error, __STACKTRACE__
  end

  defp trace(account, limit, policy, guard) do
    Tracer.trace_self(account, limit, policy)
    Native.account_guarded(account, guard)
    :ok
  rescue
    # The tracer may have to start a process.
    error in SystemLimitError ->
      Guard.stop(guard)
      uninstall(account)
      reraise error, __STACKTRACE__
  end

  defp start_watching(account, policy) do
    OrphanMonitor.ensure()
    Guard.start(self(), self(), account, policy)
  rescue
    error in SystemLimitError ->
      Native.account_close(account)
      reraise error, __STACKTRACE__
  end

  def delete do
    process = self()

    case Native.own_account() do
      {account, ^process} -> remove(account)
      _ -> :ok
    end
  end

  defp remove(account) do
    account |> Native.account_guard() |> Guard.stop()
    uninstall(account)
  end

  defp uninstall(account) do
    Process.flag(:max_heap_size, Vm.default_max_heap_size())
    Tracer.untrace_self()
    Native.account_detach(account, self())
    Native.account_close(account)
    :ok
  end
end
