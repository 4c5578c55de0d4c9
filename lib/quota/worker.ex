defmodule Quota.Worker do
  @moduledoc false
  # The process that does the work of `Quota.run/3`, and answers once.

  alias Bounded.Native
  alias Quota.{Context, FlatSize, Guard, Tracer}

  def start(account, limit, fun, context) do
    guard = Guard.start(self(), Context.caller(context), account)
    Native.account_guarded(account, guard)
    unless Tracer.trace_self(), do: Native.account_untraced(account)
    Context.restore(context)

    receive do
      {__MODULE__, ref} -> send(ref, {ref, answer(account, limit, fun)})
    end
  end

  # Sharing is lost when a term crosses processes, so the answer is measured before it is sent.
  defp answer(account, limit, fun) do
    reply = work(fun)

    if FlatSize.at_most?(reply, limit) do
      reply
    else
      Native.account_breach_result(account)
      :breach
    end
  end

  defp work(fun) do
    {:ok, fun.()}
  catch
    kind, reason -> {:raise, kind, reason, __STACKTRACE__}
  end
end
