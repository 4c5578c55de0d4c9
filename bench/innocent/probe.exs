defmodule Bench.Innocent.Probe do
  # Runs one kind of work many times in this VM.

  alias Bench.Innocent.{Kind, Kinds}

  @doc "Hands over `{%{outcome => runs}, reported breaches}` of as many runs."
  def main(index, runs) do
    {kind, context} = start(index)
    work = Kind.work(kind, context)
    outcomes = outcomes(kind, work, kind.runs || runs)
    Bench.Vm.return({Enum.frequencies(outcomes), :telemetry.breaches()})
  end

  defp start(index) do
    Logger.configure(level: :none)
    :telemetry.count_breaches()
    kind = Enum.at(Kinds.all(), index)
    {kind, kind.setup && kind.setup.()}
  end

  defp outcomes(%{via: :run} = kind, work, runs),
    do: for(_ <- 1..runs, do: run(kind.limit, work, kind.options))

  defp outcomes(%{via: {:at_once, count}} = kind, work, rounds) do
    for _ <- 1..rounds, outcome <- at_once(kind, work, count), do: outcome
  end

  defp outcomes(%{via: :put_limit} = kind, work, runs) do
    for _ <- 1..runs do
      {_, ref} =
        spawn_monitor(fn ->
          Quota.put_limit(kind.limit, kind.options)
          work.()
        end)

      receive do
        {:DOWN, ^ref, _, _, :normal} -> :returned
        {:DOWN, ^ref, _, _, reason} -> brief(reason)
      end
    end
  end

  # One server for all runs, for what is left of one request is there in the next.
  defp outcomes(%{via: :server} = kind, work, runs) do
    {:ok, server} = Agent.start(fn -> Quota.put_limit(kind.limit, kind.options) end)

    for _ <- 1..runs do
      try do
        Agent.update(server, fn _ -> work.() end)
        :returned
      catch
        :exit, reason -> brief(reason)
      end
    end
  end

  defp run(limit, work, options) do
    case Quota.try_run(limit, work, options) do
      {:ok, _} -> :returned
      {:error, %Quota.ExceededError{category: category}} -> category
      {:error, error} -> brief(error)
    end
  rescue
    error -> brief(error)
  catch
    kind, reason -> brief({kind, reason})
  end

  # All hold what they have until the last has got there.
  defp at_once(kind, work, count) do
    parent = self()

    callers =
      for _ <- 1..count do
        spawn_monitor(fn ->
          held = fn ->
            send(parent, {:work, self()})
            result = work.()
            send(parent, :there)
            receive do: (:go -> result)
          end

          exit(run(kind.limit, held, kind.options))
        end)
      end

    works = for _ <- callers, do: receive(do: ({:work, pid} -> pid))

    for pid <- works,
        do: Process.alive?(pid) && receive(do: (:there -> :ok), after: (30_000 -> :ok))

    for pid <- works, do: send(pid, :go)
    for {_, ref} <- callers, do: receive(do: ({:DOWN, ^ref, _, _, outcome} -> outcome))
  end

  defp brief(term), do: term |> inspect(limit: 5, printable_limit: 60) |> String.slice(0, 100)
end
