Code.require_file("thumbnails.ex", __DIR__)

defmodule Examples.Tasks.ThumbnailsTest do
  use ExUnit.Case, async: true

  import Bounded.Eventually

  alias Examples.Tasks.Thumbnails

  defp work(count), do: 1..count |> Enum.to_list() |> length()

  test "an item over its limit leaves the others alone" do
    assert [{10, {:ok, 10}}, {2_000_000, {:error, error}}, {20, {:ok, 20}}] =
             Thumbnails.each([10, 2_000_000, 20], &work/1)

    assert %Quota.ExceededError{label: "item"} = error
  end

  test "all of them within one limit, and all of them over it" do
    assert Thumbnails.all([10, 20, 30], &work/1) == {:ok, [10, 20, 30]}
    test = self()

    kept = fn _item ->
      send(test, {:task, self()})
      list = Enum.to_list(1..1_000_000)
      Process.sleep(2_000)
      length(list)
    end

    assert {:error, %Quota.ExceededError{label: "items"}} = Thumbnails.all(1..50, kept)
    assert_received {:task, task}
    eventually(fn -> refute Process.alive?(task) end)
  end
end
