defmodule BoundedBinary.File do
  @moduledoc false
  # A file into a charged binary. Room for its size is charged before the first byte is read; what has no
  # size (`/proc`) is read in charged pieces and put together at the end. A file that grows meanwhile is read up to the
  # size that it had: it may grow faster than it is read.

  alias BoundedBinary.{Concat, Filling}

  @piece 256 * 1024

  @doc "The content of `path`, of at most `max_bytes`."
  def read(path, max_bytes) do
    # Before it is opened: to open a pipe that nobody writes to would wait for ever, where no signal arrives.
    with {:ok, size} <- size(path),
         {:ok, file} <- :file.open(path, [:read, :raw, :binary]) do
      try do
        read_open(file, size, max_bytes)
      after
        :file.close(file)
      end
    end
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

  # What the system makes up as it is read.
  defp read_open(file, 0, max_bytes) do
    with {:ok, pieces} <- read_pieces(file, 0, max_bytes, []), do: {:ok, concat(pieces)}
  end

  defp read_open(file, size, _max_bytes), do: fill(file, Filling.new(size), size)

  # A file that has shrunk ends early.
  defp fill(file, filling, left) do
    case left > 0 && :file.read(file, min(left, @piece)) do
      {:ok, piece} -> fill(file, Filling.append(filling, piece), left - byte_size(piece))
      {:error, reason} -> {:error, reason}
      _end -> {:ok, Filling.finish(filling)}
    end
  end

  defp read_pieces(file, size, max_bytes, pieces) do
    case :file.read(file, @piece) do
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
    do: piece |> byte_size() |> Filling.new() |> Filling.append(piece) |> Filling.finish()
end
