Code.require_file("jobs.ex", __DIR__)

defmodule Examples.JobsTest do
  use ExUnit.Case, async: true

  alias Examples.Jobs.{Import, Runner}

  @moduletag :capture_log

  defp run(rows, fields \\ %{}),
    do: Runner.run(Import, Map.merge(%{args: %{"rows" => rows}, max_attempts: 3}, fields))

  test "a job within its limit is completed" do
    assert run(1_000) == {:completed, 1}
  end

  test "a job over its limit is cancelled at the first attempt, with the reason" do
    assert {:cancelled, 1, reason} = run(1_000_000)
    assert reason =~ ~s(the work "import" needed more than its limit of 8 MiB)
  end

  test "any other failure is tried again" do
    assert {:discarded, 3, "the database is not there"} = run(:unreachable)
  end

  test "a job that finds no room is snoozed, not counted as a failure" do
    pool = :"pool #{System.unique_integer()}"
    start_supervised!({Quota.Pool, name: pool, size: Quota.mib(16)})
    test = self()

    holder =
      Task.async(fn ->
        Quota.run(
          Quota.mib(8),
          fn ->
            send(test, :held)
            receive do: (:go -> :ok)
          end,
          pool: pool
        )
      end)

    assert_receive :held, 5_000
    assert run(1_000, %{pool: pool}) == {:snoozed, 5}
    Task.shutdown(holder, :brutal_kill)
  end
end
