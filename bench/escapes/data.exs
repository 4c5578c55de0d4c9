defmodule Bench.Escapes.Data do
  # What several rows are made of.

  @doc "A binary of 1 MB that nothing else refers to."
  def megabyte, do: :binary.copy(<<1>>, 1_000_000)

  @doc "`count` binaries of 1 MB."
  def megabytes(count), do: for(_ <- 1..count, do: megabyte())

  @doc "A list of 2^levels elements as soon as its sharing is lost, in two words a level."
  def shared(levels), do: Enum.reduce(1..levels, [1], fn _, list -> [list | list] end)

  @doc "Sends what `fun` returns to `pid`, `count` times."
  def flood(pid, count, fun) do
    for _ <- 1..count, do: send(pid, fun.())
    :ok
  end

  @doc "A process that receives nothing and keeps its messages off its heap."
  def holder do
    spawn(fn ->
      Process.flag(:message_queue_data, :off_heap)

      receive do
        :never -> :ok
      end
    end)
  end

  @doc "Waits without end."
  def idle do
    receive do
      :never -> :ok
    end
  end

  @doc "The path of a file of zeros that takes no room on the disk. Removed with the folder of the run."
  def zeros(bytes) do
    path = Path.expand("zeros-#{bytes}")
    File.write!(path, "")
    {:ok, file} = :file.open(path, [:read, :write, :raw])
    {:ok, _} = :file.position(file, bytes)
    :ok = :file.truncate(file)
    :ok = :file.close(file)
    path
  end

  @doc "The path of a file of `bytes` bytes in lines of `length` bytes."
  def lines(bytes, length) do
    path = Path.expand("lines-#{bytes}")
    line = String.duplicate("x", length - 1) <> "\n"
    File.write!(path, List.duplicate(line, div(bytes, length)))
    path
  end

  @doc "A gzip stream of `bytes` zeros."
  def gzip(bytes), do: deflated(31, [], bytes)

  @doc "A compressed external term: a binary of `bytes` zeros."
  def compressed_term(bytes),
    do: <<131, 80, bytes + 5::32>> <> deflated(15, <<109, bytes::32>>, bytes)

  @doc "The external term of a list of `length` empty lists, a byte each."
  def external_nils(length),
    do: <<131, 108, length::32, :binary.copy(<<106>>, length)::binary, 106>>

  defp deflated(window_bits, head, bytes) do
    zlib = :zlib.open()
    :ok = :zlib.deflateInit(zlib, 9, :deflated, window_bits, 8, :default)
    start = :zlib.deflate(zlib, head)
    part = :binary.copy(<<0>>, 1_000_000)
    body = for _ <- 1..div(bytes, 1_000_000), do: :zlib.deflate(zlib, part)
    IO.iodata_to_binary([start, body, :zlib.deflate(zlib, "", :finish)])
  end

  @doc "Multiplies by one in a way that the compiler cannot see, so that nothing is computed beforehand."
  def opaque(number), do: number * Process.get(:one, 1)
end
