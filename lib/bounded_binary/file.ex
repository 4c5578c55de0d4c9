defmodule BoundedBinary.File do
  @moduledoc false
  # Reads a file into a charged binary. Its size is charged before the first byte is read. A file without a size (`/proc`) is
  # read in charged pieces, which are concatenated at the end. A file that grows is read up to the size that it had, because
  # it may grow faster than it is read.

  alias BoundedBinary.{Builder, Concat}

  @piece_bytes 256 * 1024

  @doc "Reads `path`, which may have at most `max_bytes`."
  def read(path, max_bytes) do
    with {:ok, file, size} <- open(path) do
      try do
        read_open(file, size, max_bytes)
      after
        :file.close(file)
      end
    end
  end

  @doc """
  Opens `path` for raw reading: `{:ok, file, size}`, or the error `:eisdir` for a folder and `:enotsup` for a device, a pipe or a
  socket. The kind is checked first: opening a pipe without a writer would block a thread of the VM for ever, and could not
  be interrupted.
  """
  def open(path) do
    with {:ok, size} <- size(path),
         {:ok, file} <- :file.open(path, [:read, :raw, :binary]),
         do: {:ok, file, size}
  end

  defp size(path) do
    with {:ok, info} <- :file.read_file_info(path, [:raw]) do
      case elem(info, 2) do
        :regular -> {:ok, elem(info, 1)}
        :directory -> {:error, :eisdir}
        _device_pipe_or_socket -> {:error, :enotsup}
      end
    end
  end

  defp concat(pieces), do: Concat.fill(pieces, :erlang.iolist_size(pieces))

  defp read_open(_file, size, max_bytes) when size > max_bytes, do: {:error, :efbig}

  # A file whose content the kernel generates while it is read.
  defp read_open(file, 0, max_bytes) do
    with {:ok, pieces} <- read_pieces(file, 0, max_bytes, []), do: {:ok, concat(pieces)}
  end

  defp read_open(file, size, _max_bytes), do: fill(file, Builder.new(size), size)

  # The file may have shrunk: the result then ends early.
  defp fill(file, builder, left) do
    case left > 0 && :file.read(file, min(left, @piece_bytes)) do
      {:ok, piece} -> fill(file, Builder.append(builder, piece), left - byte_size(piece))
      {:error, reason} -> {:error, reason}
      _end -> {:ok, Builder.finish(builder)}
    end
  end

  defp read_pieces(file, size, max_bytes, pieces) do
    case :file.read(file, @piece_bytes) do
      {:ok, piece} when size + byte_size(piece) > max_bytes ->
        {:error, :efbig}

      {:ok, piece} ->
        read_pieces(file, size + byte_size(piece), max_bytes, [charged(piece) | pieces])

      :eof ->
        {:ok, Enum.reverse(pieces)}

      {:error, reason} ->
        {:error, reason}
    end
  end

  defp charged(piece),
    do: piece |> byte_size() |> Builder.new() |> Builder.append(piece) |> Builder.finish()
end
