defmodule Quota.Worker do
  @moduledoc false
  # The process that does the work of `Quota.run/3`, and answers once.

  alias Bounded.Native
  alias Quota.{Context, Figures, FlatSize, LastLook, Tracer}

  # The caller hands over the monitor's alias at once, unless it has just died.
  @handover 1_000

  def start(account, limit, fun, context, plan) do
    Context.restore(context)
    ref = handover(Context.caller(context))
    # Only now is the account this process's own.
    Tracer.trace_self(account, limit, plan)
    send(ref, {ref, answer(account, limit, fun, plan)})
  end

  defp handover(caller) do
    receive do
      {__MODULE__, ref} -> ref
    after
      @handover -> if Process.alive?(caller), do: handover(caller), else: exit(:normal)
    end
  end

  # Sharing is lost when a term crosses processes, so the answer is measured before it is sent.
  defp answer(account, limit, fun, plan) do
    way = Figures.way()
    reply = work(fun)

    cond do
      LastLook.over?(account, plan, way) ->
        breach(reply, plan)

      FlatSize.at_most?(reply, limit) ->
        reply

      true ->
        Native.account_breach_result(account)
        breach(reply, plan)
    end
  end

  defp breach(_reply, %{enforce: true}), do: :breach

  defp breach(reply, _observed) do
    if FlatSize.at_most?(reply, FlatSize.deliverable()),
      do: {:observed_breach, reply},
      else: :breach
  end

  defp work(fun) do
    {:ok, fun.()}
  catch
    kind, reason -> {:raise, kind, reason, __STACKTRACE__}
  end
end
