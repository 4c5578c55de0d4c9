defmodule Bench.Innocent.Work do
  # What several kinds of work do.

  @doc "Uses a term once; nothing refers to it afterwards."
  def drop(term), do: :erlang.phash2(is_list(term))

  @doc "40 references to a binary of 1 MB, each with a slot of its own, and a file written from them."
  def references_and_file(writes \\ 100) do
    parts = received(:binary.copy(<<0>>, 1_000_000), 40)
    {:ok, file} = :file.open("out.bin", [:raw, :write, :binary])
    for part <- Enum.take(Stream.cycle(parts), writes), do: :ok = :file.pwrite(file, 0, part)
    :ok = :file.close(file)
    length(parts)
  end

  @doc "References to `binary`. One that comes in a message is counted anew."
  def received(binary, count) do
    work = self()
    spawn(fn -> for _ <- 1..count, do: send(work, {:part, binary}) end)
    for _ <- 1..count, do: receive(do: ({:part, part} -> part))
  end
end
