defmodule Examples.Tasks.Thumbnails do
  @moduledoc """
  `Task.async_stream` with limits: one for each item, or one for all of them together.

  The first loses only the items that go over their limit. The second bounds the sum, whatever the number of tasks: all of them go, and
  their processes with them.
  """

  @each Quota.mib(4)
  @all Quota.mib(16)

  @doc "`{item, {:ok, result}}` or `{item, {:error, error}}` of each, in order."
  def each(items, fun) do
    items
    |> Task.async_stream(&{&1, Quota.try_run(@each, fn -> fun.(&1) end, label: "item")},
      ordered: true,
      timeout: 30_000
    )
    |> Enum.map(fn {:ok, result} -> result end)
  end

  @doc "`{:ok, results}`, or `{:error, error}` where all of them together went over their limit."
  def all(items, fun) do
    Quota.try_run(
      @all,
      fn ->
        items
        |> Task.async_stream(fun, ordered: true, timeout: 30_000)
        |> Enum.map(fn {:ok, result} -> result end)
      end,
      label: "items",
      count: [:children]
    )
  end
end
