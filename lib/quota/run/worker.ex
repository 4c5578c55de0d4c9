defmodule Quota.Run.Worker do
  @moduledoc false
  # The process of `Quota.run/3`, which runs the function and replies once.

  alias Bounded.Native
  alias Quota.Run.{Context, CopySize, FlatSize, LastLook}
  alias Quota.Watch.Tracer

  # Milliseconds to wait for the reference to reply to. The caller sends it at once, unless it has just died.
  @handover_ms 1_000

  @doc "Runs `fun` in the calling process. `holds`: whether `max_heap_size` was set when it was spawned. If not, it is set here."
  def start(account, limit, fun, context, policy, holds) do
    Context.restore(context)
    ref = handover(Context.caller(context))
    # The account belongs to this process only from here on.
    Tracer.trace_self(account, limit, policy, holds)
    send(ref, {ref, answer(account, limit, fun, policy)})
  end

  defp handover(caller) do
    receive do
      {__MODULE__, ref} -> ref
    after
      @handover_ms -> if Process.alive?(caller), do: handover(caller), else: exit(:normal)
    end
  end

  # A message loses sharing, so the result is measured before it is sent.
  defp answer(account, limit, fun, policy) do
    unlisted = LastLook.unlisted?()
    reply = work(fun)
    # A term of a word or two needs no measuring: the process can leave its account at once.
    case LastLook.look(account, policy, reply, unlisted, small?(reply)) do
      :left -> {:left, elem(reply, 1)}
      :over -> breach(reply, policy)
      :within -> measured(reply, account, limit, policy)
    end
  end

  defp small?({:ok, value}) when is_atom(value) or value == [] or value == {}, do: true
  defp small?({:ok, value}) when is_float(value) or is_pid(value), do: true
  defp small?({:ok, value}) when value in -0xFFFF_FFFF..0xFFFF_FFFF, do: true
  defp small?(_reply), do: false

  defp measured(reply, account, limit, policy) do
    if CopySize.at_most?(reply, limit) do
      reply
    else
      Native.account_breach(account, :result)
      breach(reply, policy)
    end
  end

  defp breach(_reply, %{enforce: true}), do: :breach

  defp breach(reply, _observed) do
    if CopySize.at_most?(reply, FlatSize.deliverable()),
      do: {:observed_breach, reply},
      else: :breach
  end

  defp work(fun) do
    {:ok, fun.()}
  catch
    kind, reason -> {:raise, kind, reason, __STACKTRACE__}
  end
end
