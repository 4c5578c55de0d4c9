defmodule Quota.Limit do
  @moduledoc false
  # A limit on the calling process for its life: `Quota.put_limit/2`. All that is known of it is in the
  # account, which is found by pid.

  alias Bounded.Native
  alias Quota.{Captures, Guard, Options, Plan, Run, Sweeper, Tracer, Vm}

  def put(limit, opts) do
    options = Options.validate!(limit, opts)
    Vm.prepare()
    Captures.check_label!(limit, options)
    before = before()
    account = Run.account(limit, options)
    Run.admit(options, account, limit)
    plan = Plan.new(options, true)
    install(account, limit, plan, before)
  end

  # The account of the limit that is replaced, or nil.
  defp before do
    process = self()

    case Native.own_account() do
      nil -> nil
      {account, ^process} -> account
      {_, _} -> raise ArgumentError, "this process has a limit already: nest Quota.run/3 in it"
    end
  end

  # Whatever may find that there are as many processes as there can be comes first, so that a limit is installed as a whole
  # or the one before stays.
  defp install(account, limit, plan, before) do
    guard = start_watching(account, plan)
    if before, do: remove(before)
    attach(account, limit, plan, guard)
  end

  defp attach(account, limit, plan, guard) do
    Native.account_attach(account, self())
    Tracer.trace_self(account, limit, plan)
    Native.account_guarded(account, guard)
    :ok
  rescue
    # The tracer may need a process as well.
    error in SystemLimitError ->
      Guard.stop(guard)
      uninstall(account)
      reraise error, __STACKTRACE__
  end

  defp start_watching(account, plan) do
    Sweeper.ensure()
    Guard.start(self(), self(), account, plan)
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
    Native.account_detach(self())
    Native.account_close(account)
    :ok
  end
end
