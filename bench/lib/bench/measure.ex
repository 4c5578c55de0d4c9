defmodule Bench.Measure do
  @moduledoc """
  CPU time and wall time of a function.

  CPU time is that of the whole VM (`:erlang.statistics(:runtime)`, which is getrusage: all threads,
  the garbage collector's too), exact to a millisecond. So a function is repeated until it takes 200 ms,
  and the VM is one of its own (`Bench.Node`) whose idle schedulers sleep instead of spinning.
  """

  @enough_ms 200

  @doc """
  `%{cpu_ms, wall_ms, counted}` of one run, the average of `times` runs. Runs in a fresh process, whose heap is
  gone afterwards; what it raises is `{:error, message}`.
  """
  def run(fun, times) do
    {pid, monitor} = spawn_monitor(fn -> exit({:shutdown, timed_or_error(fun, times)}) end)

    receive do
      {:DOWN, ^monitor, :process, ^pid, {:shutdown, measured}} -> measured
      {:DOWN, ^monitor, :process, ^pid, reason} -> {:error, inspect(reason)}
    end
  end

  @doc "How many times make a measurement long enough, given how long one took."
  def times(cpu_ms), do: max(1, ceil(@enough_ms / max(cpu_ms, 0.01)))

  def median(figures) do
    sorted = Enum.sort(figures)
    count = length(sorted)

    (Enum.at(sorted, div(count - 1, 2)) + Enum.at(sorted, div(count, 2))) / 2
  end

  def geometric_mean(ratios),
    do: ratios |> Enum.map(&:math.log/1) |> then(&:math.exp(Enum.sum(&1) / length(&1)))

  defp timed_or_error(fun, times) do
    timed(fun, times)
  rescue
    error -> {:error, error |> Exception.message() |> String.slice(0, 200)}
  catch
    kind, reason -> {:error, "#{kind} #{inspect(reason, limit: 5, printable_limit: 100)}"}
  end

  defp timed(fun, times) do
    started = :erlang.monotonic_time()
    {cpu_before, _} = :erlang.statistics(:runtime)
    counted = repeat(fun, times)
    {cpu_after, _} = :erlang.statistics(:runtime)
    wall = :erlang.monotonic_time() - started

    %{
      counted: counted,
      cpu_ms: (cpu_after - cpu_before) / times,
      wall_ms: :erlang.convert_time_unit(wall, :native, :nanosecond) / times / 1.0e6
    }
  end

  defp repeat(fun, 1), do: fun.()

  defp repeat(fun, times) do
    fun.()
    repeat(fun, times - 1)
  end
end
