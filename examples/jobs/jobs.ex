defmodule Examples.Jobs.Import do
  @moduledoc """
  A job in the shape of Oban's workers: `perform/1` returns `:ok`, `{:error, reason}` to be tried again, or
  `{:cancel, reason}` to be given up.

  A job that went over its limit would go over it again: cancel it, and nobody pays for twenty attempts. A full pool is different: the
  job has not begun, so it is snoozed. Anything else is retried as before.
  """

  @limit Quota.mib(8)

  # With the library: `use Oban.Worker, queue: :imports, max_attempts: 20`.
  def perform(%{args: %{"rows" => rows}} = job) do
    case Quota.try_run(@limit, fn -> import_rows(rows) end, label: "import", pool: job[:pool]) do
      {:ok, :imported} -> :ok
      {:ok, {:failed, reason}} -> {:error, reason}
      {:error, %Quota.ExceededError{} = error} -> {:cancel, Exception.message(error)}
      {:error, %Quota.PoolFullError{}} -> {:snooze, 5}
      {:error, %Quota.TimeoutError{} = error} -> {:error, Exception.message(error)}
    end
  end

  defp import_rows(:unreachable), do: {:failed, "the database is not there"}

  defp import_rows(rows) do
    rows = Enum.map(1..rows, &%{id: &1, name: "row #{&1}"})
    if Enum.all?(rows, &(&1.id > 0)), do: :imported
  end
end

defmodule Examples.Jobs.Runner do
  @moduledoc false
  # What a job runner makes of these results; Oban keeps the jobs in a database.

  def run(worker, job, attempt \\ 1) do
    case worker.perform(Map.put(job, :attempt, attempt)) do
      :ok -> {:completed, attempt}
      {:cancel, reason} -> {:cancelled, attempt, reason}
      {:snooze, seconds} -> {:snoozed, seconds}
      {:error, _} when attempt < job.max_attempts -> run(worker, job, attempt + 1)
      {:error, reason} -> {:discarded, attempt, reason}
    end
  end
end
