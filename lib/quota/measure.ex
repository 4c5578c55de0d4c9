defmodule Quota.Measure do
  @moduledoc false
  # Implements `Quota.measure/1`: a run with `mode: :observe`, whose process measures itself at the end.

  alias Bounded.Native
  alias Quota.{Options, Run, Usage}
  alias Quota.Run.FlatSize
  alias Quota.Watch.{ProcessStats, Tracer}

  @doc "`module` is that of the public function, which an exit names."
  def run(module, fun) do
    Options.function!(fun)
    # The limit is not enforced, but bounds the size of the result.
    Run.run(__MODULE__, FlatSize.deliverable(), fn -> measured(fun) end, mode: :observe)
  catch
    :exit, {reason, {__MODULE__, :run, _}} -> exit({reason, {module, :measure, [fun]}})
  end

  defp measured(fun) do
    {account, _caller} = Native.own_account()
    Tracer.measure_self(account)
    started = System.monotonic_time(:microsecond)
    {_, _, work_before, _} = ProcessStats.of(self())
    value = fun.()
    {_, _, work, _} = ProcessStats.of(self())
    time = System.monotonic_time(:microsecond) - started
    usage = Usage.own()
    :erlang.garbage_collect()
    {heap, binaries, _, _} = ProcessStats.of(self())
    {value, %{usage | live: heap + binaries, reductions: work - work_before, time: time}}
  end
end
