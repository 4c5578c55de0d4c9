defmodule Quota.Limit do
  @moduledoc false
  # A limit on the calling process for its life: `Quota.put_limit/2`. All that is known of it is in the
  # account, which is found by pid.

  alias Bounded.Native
  alias Quota.{Guard, Options, Plan, Run, Sweeper, Tracer, Vm}

  def put(limit, opts) do
    options = Options.validate!(limit, opts)
    process = self()

    case Native.own_account() do
      nil -> :ok
      {account, ^process} -> remove(account)
      {_, _} -> raise ArgumentError, "this process has a limit already: nest Quota.run/3 in it"
    end

    account = Run.account(limit, options)
    Run.admit(options, account, limit)
    plan = Plan.new(options, true)
    Native.account_attach(account, process)
    Tracer.trace_self(account, limit, plan)
    Sweeper.ensure()
    Native.account_guarded(account, Guard.start(process, process, account, plan))
    :ok
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
    Process.flag(:max_heap_size, Vm.default_max_heap_size())
    Tracer.untrace_self()
    Native.account_detach(self())
    Native.account_close(account)
    :ok
  end
end
