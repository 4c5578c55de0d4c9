defmodule Quota.LeftoversTest do
  # Alone, because it counts the processes of the node.
  use ExUnit.Case, async: false

  @moduletag :native_speed

  import Bounded.Eventually
  alias Bounded.Native

  test "ten thousand runs leave nothing behind" do
    {_, orphaned, attached} = Native.node_usage()
    processes = length(Process.list())

    for n <- 1..10_000 do
      case rem(n, 4) do
        0 -> Quota.try_run(65_536, fn -> grow([]) end)
        1 -> catch_exit(Quota.run(65_536, fn -> Process.exit(self(), :kill) end))
        _ -> Quota.run(65_536, fn -> :ok end)
      end
    end

    assert Process.info(self(), :message_queue_len) == {:message_queue_len, 0}

    eventually(fn ->
      assert length(Process.list()) <= processes + 5
      {_, orphaned_now, attached_now} = Native.node_usage()
      assert orphaned_now <= orphaned
      assert attached_now <= attached + 5
    end)
  end

  defp grow(list), do: grow([list | list])
end
