defmodule BoundedBinary.File do
  @moduledoc false
  # A file into a charged binary. Room for its size is charged before the first byte is read; what has no
  # size (a pipe, `/proc`) or grows meanwhile is read in charged pieces and put together at the end.

  alias BoundedBinary.{Concat, Filling}

  @piece 256 * 1024

  @doc "The content of `path`, of at most `max_bytes`."
  def read(path, max_bytes) do
    with {:ok, file} <- :file.open(path, [:read, :raw, :binary]) do
      try do
        read_open(file, size(path), max_bytes)
      after
        :file.close(file)
      end
    end
  end

  defp size(path) do
    case :file.read_file_info(path, [:raw]) do
      {:ok, info} -> elem(info, 1)
      {:error, _} -> 0
    end
  end

  defp concat(pieces), do: Concat.run(pieces, :erlang.iolist_size(pieces))

  defp read_open(_file, size, max_bytes) when size > max_bytes, do: {:error, :efbig}

  defp read_open(file, size, max_bytes) do
    with {:ok, binary} <- fill(file, Filling.new(size), size),
         {:ok, more} <- read_pieces(file, size, max_bytes, []) do
      if more == [], do: {:ok, binary}, else: {:ok, concat([binary | more])}
    end
  end

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
