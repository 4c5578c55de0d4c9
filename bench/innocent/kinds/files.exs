defmodule Bench.Innocent.Kinds.Files do
  # Files, ports, sockets and what is computed from them by pieces.

  import Bench.Innocent.Kind

  @piece 256 * 1024

  def kinds do
    reading() ++ writing() ++ elsewhere()
  end

  defp reading do
    [
      kind(
        "a file of 20 MB read by pieces of 256 KiB, a quarter of them kept",
        [setup: &file/0],
        fn path ->
          kept(path, 20)
        end
      ),
      kind("the same, 8 MiB of 16 kept", [setup: &file/0], fn path -> kept(path, 32) end),
      kind(
        "the same, 45 MiB of 128 kept",
        [limit: 128 * 1_048_576, setup: fn -> file(60) end],
        fn path ->
          kept(path, 180)
        end
      ),
      kind("lines of a file of 5 MB", [setup: &lines/0], fn path ->
        path |> File.stream!() |> Enum.count(&(byte_size(&1) > 10))
      end),
      kind("a hash of a file of 20 MB", [setup: &file/0], fn path ->
        pieces(path, :crypto.hash_init(:sha256), fn piece, hash ->
          :crypto.hash_update(hash, piece)
        end)
        |> :crypto.hash_final()
      end),
      kind("File.read! of 5 MB", [setup: fn -> file(5) end], fn path ->
        byte_size(File.read!(path))
      end),
      kind("BoundedBinary.read_file of 5 MB", [setup: fn -> file(5) end], fn path ->
        {:ok, binary} = BoundedBinary.read_file(path)
        byte_size(binary)
      end)
    ]
  end

  defp writing do
    [
      kind("a file of 20 MB written by pieces", fn ->
        {:ok, file} = :file.open("written.bin", [:raw, :write, :binary])
        piece = :binary.copy("w", @piece)
        for _ <- 1..80, do: :ok = :file.write(file, piece)
        :file.close(file)
      end),
      kind("a file of 20 MB copied", [setup: &file/0], fn path ->
        File.copy!(path, "copied.bin")
      end),
      kind("5 MB compressed by pieces, and back", [setup: fn -> file(5) end], fn path ->
        zlib = :zlib.open()
        :ok = :zlib.deflateInit(zlib, 1)
        packed = pieces(path, [], fn piece, packed -> [packed | :zlib.deflate(zlib, piece)] end)
        packed = IO.iodata_to_binary([packed | :zlib.deflate(zlib, "", :finish)])
        byte_size(:zlib.uncompress(packed))
      end)
    ]
  end

  defp elsewhere do
    [
      kind("a port that prints 10 MB", [setup: fn -> file(10) end], fn path ->
        port = Port.open({:spawn_executable, "/bin/cat"}, [:binary, :exit_status, args: [path]])
        printed(port, 0)
      end),
      kind("a download of 10 MB, passive socket, a third kept", [setup: &server/0], fn port ->
        {:ok, socket} = connect(port, false)
        length(downloaded(socket, [], 0))
      end),
      kind("a download of 10 MB, active socket", [setup: &server/0], fn port ->
        {:ok, socket} = connect(port, true)
        arrived(socket, 0)
      end)
    ]
  end

  defp kept(path, count) do
    {kept, _} =
      pieces(path, {[], 0}, fn piece, {kept, n} ->
        if n < count, do: {[piece | kept], n + 1}, else: {kept, n}
      end)

    length(kept)
  end

  defp pieces(path, acc, fun) do
    {:ok, file} = :file.open(path, [:raw, :read, :binary])
    acc = pieces(:file.read(file, @piece), file, acc, fun)
    :ok = :file.close(file)
    acc
  end

  defp pieces({:ok, piece}, file, acc, fun),
    do: pieces(:file.read(file, @piece), file, fun.(piece, acc), fun)

  defp pieces(:eof, _file, acc, _fun), do: acc

  defp printed(port, bytes) do
    receive do
      {^port, {:data, data}} -> printed(port, bytes + byte_size(data))
      {^port, {:exit_status, 0}} -> bytes
    end
  end

  defp connect(port, active) do
    :gen_tcp.connect(~c"localhost", port, [:binary, active: active, recbuf: 131_072])
  end

  defp downloaded(socket, kept, bytes) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, data} when bytes < 5_000_000 ->
        downloaded(socket, [data | kept], bytes + byte_size(data))

      {:ok, data} ->
        downloaded(socket, kept, bytes + byte_size(data))

      {:error, :closed} ->
        kept
    end
  end

  defp arrived(socket, bytes) do
    receive do
      {:tcp, ^socket, data} -> arrived(socket, bytes + byte_size(data))
      {:tcp_closed, ^socket} -> bytes
    end
  end

  # Sends 10 MB to each who connects.
  defp server do
    test = self()

    spawn(fn ->
      {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, backlog: 1_000])
      {:ok, port} = :inet.port(listener)
      send(test, {:port, port})
      serve(listener, :binary.copy("d", 100_000))
    end)

    receive do: ({:port, port} -> port)
  end

  defp serve(listener, part) do
    {:ok, socket} = :gen_tcp.accept(listener)
    for _ <- 1..100, do: :gen_tcp.send(socket, part)
    :gen_tcp.close(socket)
    serve(listener, part)
  end

  defp file(megabytes \\ 20) do
    path = Path.expand("in-#{megabytes}.bin")
    File.write!(path, List.duplicate(:binary.copy("f", 1_000_000), megabytes))
    path
  end

  defp lines do
    path = Path.expand("lines.txt")

    File.write!(
      path,
      List.duplicate("a line of some fifty bytes, as they are in a log\n", 100_000)
    )

    path
  end
end
