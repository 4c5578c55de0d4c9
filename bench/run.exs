# What a quota costs: `Quota.run/3` around a trivial function against `Task.async/1` and `Task.await/1`, with events
# and without; and what each word that the function captures adds, to a run and to a task: the VM's copy is part of both.
# `MIX_ENV=prod mix run bench/run.exs`, from the project's directory. Prints medians of CPU time and their ratios, and exits with an error
# when one is over what it is held to.
#
# `:telemetry` is the library where `ERL_LIBS` has it, otherwise a stand-in with its table of handlers.
defmodule Bench.Run do
  @rounds 41
  @runs 20_000
  @limit Quota.mib(1)
  # Times a task: without events, and with a handler attached to those of a run.
  @held_to [without: 1.6, with: 2.5]

  # Captures: runs of a round, rows, and nanoseconds for each of their words.
  @copies 50
  @rows 4_000
  @held_to_ns 10

  @stand_in """
  defmodule :telemetry do
    def attach_many(id, events, handler, config) do
      :ets.new(__MODULE__, [:bag, :public, :named_table, read_concurrency: true])
      for event <- events, do: :ets.insert(__MODULE__, {event, id, handler, config})
      # Events are sent where the library's application runs, which is known by this name.
      Process.register(self(), :telemetry_handler_table)
      :ok
    end

    def execute(event, measurements, metadata) do
      for {_, _, handler, config} <- :ets.lookup(__MODULE__, event),
        do: handler.(event, measurements, metadata, config)
      :ok
    end
  end
  """

  def main do
    without = measure()
    captures = Enum.map(captures(), &captured/1)
    which = attach()
    with_events = measure()

    IO.puts(machine())
    over = Enum.map([without: without, with: with_events], &report(&1, which))
    if Enum.any?(over ++ Enum.map(captures, &report_captures/1)), do: exit({:shutdown, 1})
  end

  defp captures do
    [
      {"a list of integers", Enum.to_list(1..(5 * @rows))},
      {"tuples with text", for(n <- 1..@rows, do: {n, "a text of some length", :ok})},
      {"maps", for(n <- 1..@rows, do: %{id: n, name: "name", kind: :row})}
    ]
  end

  defp captured({name, term}) do
    limit = Quota.mib(64)
    words = :erts_debug.flat_size(term)
    run = fn -> Quota.run(limit, fn -> length(term) end) end
    task = fn -> Task.await(Task.async(fn -> length(term) end)) end

    rounds =
      for _ <- 0..@rounds,
          do: {added(run, &run/0) * 1_000 / words, added(task, &task/0) * 1_000 / words}

    # The first warms up.
    rounds = tl(rounds)
    {name, words, median(rounds, &elem(&1, 0)), median(rounds, &elem(&1, 1))}
  end

  # Microseconds that one takes more than one without captures.
  defp added(capturing, bare), do: cost(capturing, @copies) - cost(bare, @copies)

  defp report_captures({name, words, run, task}) do
    verdict = if run <= @held_to_ns, do: "held", else: "OVER"

    IO.puts(
      "#{verdict}   captures, #{name} (#{words} words): #{figure(run)} ns a word, at most #{@held_to_ns}; " <>
        "a task's copy takes #{figure(task)}"
    )

    run > @held_to_ns
  end

  defp report({events, {task, run, ratio}}, which) do
    held_to = @held_to[events]
    events = if events == :with, do: "with #{which}", else: "without events"
    verdict = if ratio <= held_to, do: "held", else: "OVER"

    IO.puts(
      "#{verdict}   Quota.run #{figure(run)} us, task #{figure(task)} us: #{figure(ratio)} times, " <>
        "at most #{held_to} #{events}"
    )

    ratio > held_to
  end

  # In turns, so that what else the machine does concerns both.
  defp measure do
    rounds =
      for round <- 0..@rounds do
        if rem(round, 2) == 0 do
          task = cost(&task/0, @runs)
          {task, cost(&run/0, @runs)}
        else
          run = cost(&run/0, @runs)
          {cost(&task/0, @runs), run}
        end
      end

    # The first warms up.
    rounds = tl(rounds)

    {median(rounds, &elem(&1, 0)), median(rounds, &elem(&1, 1)),
     median(rounds, fn {t, r} -> r / t end)}
  end

  defp task, do: Task.await(Task.async(fn -> :ok end))
  defp run, do: Quota.run(@limit, fn -> :ok end)

  # Microseconds of CPU time of one.
  defp cost(fun, runs) do
    :erlang.garbage_collect()
    before = cpu()
    repeat(fun, runs)
    (cpu() - before) * 1_000 / runs
  end

  defp repeat(_fun, 0), do: :ok

  defp repeat(fun, n) do
    fun.()
    repeat(fun, n - 1)
  end

  defp cpu, do: :erlang.statistics(:runtime) |> elem(0)

  defp median(rounds, part) do
    rounds |> Enum.map(part) |> Enum.sort() |> Enum.at(div(length(rounds), 2))
  end

  defp attach do
    which =
      if Code.ensure_loaded?(:telemetry) do
        {:ok, _} = Application.ensure_all_started(:telemetry)
        "telemetry #{Application.spec(:telemetry, :vsn)}"
      else
        Code.compile_string(@stand_in)
        "a stand-in for telemetry"
      end

    events = for last <- [:start, :stop, :exception], do: [:bounded, :quota, :run, last]
    :ok = apply(:telemetry, :attach_many, [__MODULE__, events, &__MODULE__.handle/4, nil])
    which
  end

  def handle(_event, _measurements, _metadata, _config), do: :ok

  defp figure(number), do: :erlang.float_to_binary(number, decimals: 2)

  defp machine do
    "#{Date.utc_today()}, #{System.schedulers_online()} schedulers, OTP #{System.otp_release()}, " <>
      "Elixir #{System.version()}, load #{load()}"
  end

  defp load do
    case File.read("/proc/loadavg") do
      {:ok, text} -> text |> String.split() |> hd()
      _ -> "unknown"
    end
  end
end

Bench.Run.main()
