defmodule Bench.Escapes.Rows.Mailbox do
  # Messages that wait.

  import Bench.Escapes.{Data, Row}

  @length 1_000_000
  # To count the messages takes microseconds.
  @copied "a sender is asked for its garbage before it is ended, and answers only when its copy of 16 MB is made"

  def rows do
    [
      row(
        "99 references to a list of 16 MB, sent to itself: no copies",
        1.0,
        [ends: :returns],
        fn ->
          list = Enum.to_list(1..@length)
          flood(self(), 99, fn -> list end)
        end
      ),
      row(
        "99 lists of 16 MB sent to itself, off the heap",
        2.5,
        [why: @copied],
        fn ->
          Process.flag(:message_queue_data, :off_heap)
          list = Enum.to_list(1..@length)
          flood(self(), 99, fn -> list end)
          Process.sleep(300)
        end
      ),
      row(
        "99 lists of 16 MB from outside while it waits",
        3.8,
        [
          prepare: &sender/0,
          why:
            "a collection copies the messages into the heap and is not interrupted: more come meanwhile"
        ],
        &flooded(&1, :on_heap)
      ),
      row(
        "99 lists of 16 MB from outside while it waits, off the heap",
        1.8,
        [prepare: &sender/0],
        &flooded(&1, :off_heap)
      ),
      row(
        "99 lists of 16 MB to a counted child, off the heap",
        [{25, 1.8}, {29, 2.5}],
        [options: [count: [:children]], why: @copied],
        fn ->
          child = holder()
          list = Enum.to_list(1..@length)
          flood(child, 99, fn -> list end)
          idle()
        end
      ),
      row("2000 binaries of 1 MB sent to itself", 1.5, fn -> flood(self(), 2_000, &megabyte/0) end),
      row(
        "2000 binaries of 1 MB sent to itself, max_queue: 50",
        1.5,
        [options: [max_queue: 50]],
        fn ->
          flood(self(), 2_000, &megabyte/0)
        end
      ),
      row(
        "lists of 16 MB to a process that limits itself, off the heap",
        1.8,
        [via: :put_limit, prepare: &sender/0],
        &flooded(&1, :off_heap)
      )
    ]
  end

  # Its list is there before the work begins, and no part of the figure.
  defp sender do
    list = Enum.to_list(1..@length)

    spawn(fn ->
      :erlang.garbage_collect()
      receive do: ({:flood, work} -> flood(work, 99, fn -> list end))
    end)
  end

  defp flooded(sender, where) do
    Process.flag(:message_queue_data, where)
    send(sender, {:flood, self()})

    receive do
      :never -> :ok
    after
      3_000 -> :ok
    end
  end
end
