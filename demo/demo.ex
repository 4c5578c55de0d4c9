defmodule Demo do
  @moduledoc false
  # `bin/demo`: what this project is for, with figures measured as you watch.

  import Demo.Terminal, only: [bytes: 1, chart: 3, heading: 1, seconds: 1, table: 1]

  alias Demo.{Group, Report, Streaming, Uploads, Watchdog}

  # What the node must stay under in part 2, and may have at all in parts 3 and 4.
  @ceiling 268_435_456
  @report "report.html"

  def main(files) do
    {:ok, _} = Application.ensure_all_started(:bounded)
    started = System.monotonic_time(:millisecond)

    heading("1. A long document, and what it costs to have it all at once")
    {streamed, streams} = Streaming.run(files)

    heading(
      "2. A server and its hostile clients: #{Uploads.describe()}; ceiling #{bytes(@ceiling)}"
    )

    server = Uploads.run("server, with quotas", Uploads.limit())
    Uploads.report(server)

    heading("3. The same in a control group of #{bytes(@ceiling)}")
    {grouped, problems} = grouped()

    heading(
      "4. Code without any limit in a control group of #{bytes(@ceiling)}: #{Watchdog.describe()}"
    )

    {watched, unlimited, more} = watched()
    problems = problems ++ more

    runs = [server | grouped]
    heading("What was measured")

    rows = [
      ["what", "how it went", "resident memory"] | streamed ++ Enum.map(runs, &row/1) ++ watched
    ]

    table(rows)

    for run <- runs, do: chart(run.title <> ": " <> Uploads.fate(run), run.samples, @ceiling)

    problems = problems(server) ++ problems
    took = System.monotonic_time(:millisecond) - started
    charts = charts(streams, server, grouped, unlimited)
    Report.write!(@report, %{took: took, rows: rows, charts: charts, problems: problems})
    IO.puts("\nTook #{seconds(took)}. #{Path.expand(@report)} has the charts.")
    for problem <- problems, do: IO.puts("NOT AS IT SHOULD BE: #{problem}")
    System.halt(if problems == [], do: 0, else: 1)
  end

  # `{title, [{label, kind, samples}], ceiling}`: a part of which there was none has no chart.
  defp charts(streams, server, grouped, unlimited) do
    streamed = for {name, samples} <- streams, do: {name, :good, samples}
    attacked = [{"with quotas", :good, server.samples}]

    Enum.reject(
      [
        {"1. Streaming under a limit of #{bytes(Streaming.limit())}", streamed, nil},
        {"2. #{Uploads.describe()}", attacked, @ceiling},
        {"3. The same in a control group of #{bytes(@ceiling)}", Enum.map(grouped, &series/1),
         @ceiling},
        {"4. Code without any limit in a control group of #{bytes(@ceiling)}",
         Enum.map(unlimited, &series/1), @ceiling}
      ],
      fn {_title, series, _ceiling} -> series == [] end
    )
  end

  defp series(%Uploads{} = run),
    do: {"#{run.title}: #{Uploads.fate(run)}", kind(run.exit_status), run.samples}

  defp series(run),
    do: {"#{run.title}: #{Watchdog.fate(run)}", kind(run.exit_status), run.samples}

  defp kind(nil), do: :good
  defp kind(_status), do: :bad

  defp grouped do
    case Group.create(@ceiling) do
      {:ok, group} ->
        try do
          IO.puts("  without quotas:")
          without = Uploads.run("control group, without quotas", nil, group)
          Uploads.report(without)
          IO.puts("  with quotas:")
          with_quotas = Uploads.run("control group, with quotas", Uploads.limit(), group)
          with_quotas = %{with_quotas | kills: with_quotas.kills - without.kills}
          Uploads.report(with_quotas)
          {[without, with_quotas], survived(without) ++ problems(with_quotas)}
        after
          Group.remove(group)
        end

      {:error, reason} ->
        IO.puts("  Skipped: #{reason}.")
        {[], []}
    end
  end

  defp watched do
    case Group.create(@ceiling) do
      {:ok, group} ->
        try do
          runs = [without, with_watchdog] = for dog <- [false, true], do: Watchdog.run(group, dog)

          rows =
            for run <- runs,
                do: [
                  "no limits, #{run.title}",
                  Watchdog.fate(run),
                  "at most #{bytes(run.peak)}"
                ]

          {rows, runs, Watchdog.problems(without, with_watchdog)}
        after
          Group.remove(group)
        end

      {:error, reason} ->
        IO.puts("  Skipped: #{reason}.")
        {[], [], []}
    end
  end

  defp row(run) do
    hostile = Uploads.share(Uploads.hostile(run))
    ordinary = Uploads.share(Uploads.ordinary(run))

    [
      run.title,
      "#{ordinary} ordinary and #{hostile} hostile answered rightly; #{Uploads.fate(run)}",
      "at most #{bytes(run.peak)}"
    ]
  end

  defp survived(%{exit_status: nil}),
    do: ["without quotas the node lived: the load is too light here"]

  defp survived(_), do: []

  defp problems(run) do
    wrong = Enum.reject(run.outcomes, &Uploads.right?/1)

    Enum.concat([
      for outcome <- Enum.take(wrong, 3) do
        "#{run.title}: #{outcome.kind} got #{inspect(outcome.answer)}, and so on for #{length(wrong)}"
      end,
      if(run.peak > @ceiling, do: ["#{run.title}: the node held #{bytes(run.peak)}"], else: []),
      if(run.exit_status || run.kills > 0, do: ["#{run.title}: #{Uploads.fate(run)}"], else: [])
    ])
  end
end
