defmodule Quota.Measure do
  @moduledoc false
  # `Quota.measure/1`: a run that is only observed, in which the work looks at itself last.

  alias Bounded.Native
  alias Quota.{Figures, FlatSize, Options, Run, Tracer, Usage}

  def run(fun) do
    Options.function!(fun)
    # What is not enforced still bounds the walk through the result.
    Run.run(FlatSize.deliverable(), fn -> measured(fun) end, mode: :observe)
  end

  defp measured(fun) do
    {account, _caller} = Native.own_account()
    Tracer.measure_self(account)
    started = System.monotonic_time(:microsecond)
    {_, _, work_before, _} = Figures.of(self())
    value = fun.()
    {_, _, work, _} = Figures.of(self())
    time = System.monotonic_time(:microsecond) - started
    usage = Usage.own()
    :erlang.garbage_collect()
    {heap, binaries, _, _} = Figures.of(self())
    {value, %{usage | live: heap + binaries, reductions: work - work_before, time: time}}
  end
end
