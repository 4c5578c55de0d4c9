defmodule Quota.Watch.MailboxTest do
  # Messages that wait outside the heap.
  use ExUnit.Case, async: true

  import Bounded.Eventually
  alias Quota.ExceededError
  alias Quota.Watch.{Mailbox, ProcessStats}

  @mib 1024 * 1024

  defp off_heap(test \\ self()) do
    spawn(fn ->
      Process.flag(:message_queue_data, :off_heap)
      send(test, :ready)
      receive do: (:never -> :ok)
    end)
  end

  # Few messages, each larger than it looks: 16 bytes an element.
  defp flood(pid, count, bytes) do
    list = Enum.to_list(1..div(bytes, 16))
    for _ <- 1..count, do: send(pid, list)
  end

  defp run(work, opts), do: Quota.try_run(32 * @mib, work, [timeout: 30_000] ++ opts)

  test "few messages count as well" do
    work = fn ->
      Process.flag(:message_queue_data, :off_heap)
      flood(self(), 90, @mib)
      Process.sleep(5_000)
    end

    assert {:error, %ExceededError{category: :heap} = error} = run(work, [])
    assert error.messages > 0
    assert Exception.message(error) =~ "Most of its heap is messages in its queue"
  end

  test "so do those of a child that counts" do
    work = fn ->
      child = off_heap()
      receive do: (:ready -> flood(child, 90, @mib))
      Process.sleep(5_000)
    end

    assert {:error, %ExceededError{category: :heap}} = run(work, count: [:children])
  end

  @tag :native_speed
  test "and those of one of many children, which are looked at together" do
    work = fn ->
      for _ <- 1..100, do: spawn(fn -> Process.sleep(:infinity) end)
      child = off_heap()
      receive do: (:ready -> flood(child, 90, @mib))
      Process.sleep(10_000)
    end

    assert {:error, %ExceededError{category: :heap}} = run(work, count: [:children])
  end

  @tag :native_speed
  test "messages that are received count no more" do
    work = fn ->
      Process.flag(:message_queue_data, :off_heap)

      for _ <- 1..200 do
        flood(self(), 1, @mib)
        receive do: (list when is_list(list) -> :ok)
      end

      :done
    end

    assert run(work, []) == {:ok, :done}
  end

  test "many are added up when they have become more, and weighed by number between" do
    pid = off_heap()
    assert_receive :ready
    for _ <- 1..10_000, do: send(pid, {:a, 1})
    {:memory, memory} = Process.info(pid, :memory)
    heap = fn -> elem(ProcessStats.glance(pid), 0) end
    counted = Mailbox.bytes(pid, 10_000)
    assert_in_delta counted, memory - heap.(), 1_000
    # Known by what was just counted, unless that was too long ago.
    assert Mailbox.bytes(pid, 11_000) in counted..div(counted * 11_000, 10_000)
    # An eighth more: asked again, and there are not so many.
    assert_in_delta Mailbox.bytes(pid, 20_000), counted, 1_000
    ref = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^ref, _, _, _}
    eventually(fn -> assert Mailbox.bytes(pid, 100_000) == nil end)
    assert Mailbox.bytes(pid, 0) == 0
  end

  test "messages that take more than a limit are known to be in use" do
    pid = off_heap()
    assert_receive :ready
    flood(pid, 4, @mib)
    bytes = Mailbox.bytes(pid, 4)
    assert_in_delta bytes, 4 * @mib, @mib / 4
    assert Mailbox.over?(pid, 4, 3 * @mib)
    refute Mailbox.over?(pid, 4, 5 * @mib)
    # Another number was not counted.
    refute Mailbox.over?(pid, 5, 3 * @mib)
    refute Mailbox.over?(pid, 0, 0)
    refute Mailbox.over?(pid, 10_000, 3 * @mib)
    Process.exit(pid, :kill)
  end

  # Asked by two questions, the heap that has grown between them would be taken for messages.
  test "a heap that grows is not taken for messages" do
    work = fn ->
      send(self(), :one)
      for _ <- 1..200, do: length(Enum.to_list(1..100_000))
      :done
    end

    assert run(work, []) == {:ok, :done}
  end
end
