defmodule BoundedXml.Source do
  @moduledoc false
  # The source of a document's bytes: a binary, a file, or an enumerable of iodata. A part is
  # `{binary, offset, length}` of at most `chunk_bytes` bytes, so that a large binary is neither
  # copied nor cut into sub-binaries. Only parts of a binary that does not start on a byte are copied,
  # because the VM would copy all of it for each NIF call.
  #
  # A source closes itself when it ends or raises. `close/1` is for a source that is left early.

  alias Bounded.Bytes
  alias BoundedXml.Source.{CompressedFile, Iodata}

  @doc "Raises `ArgumentError` unless `source` can be opened as one."
  def validate!(source) when is_binary(source) or is_list(source), do: source

  def validate!({:file, path} = source) do
    path!(path)
    source
  end

  def validate!({:file, path, options} = source) do
    path!(path)

    options in [[], [:compressed]] ||
      raise ArgumentError,
            "the options of {:file, path, options} must be [] or [:compressed], got: #{inspect(options, limit: 5)}"

    source
  end

  def validate!(source) do
    # Of functions, only those of two arguments are enumerable.
    (Enumerable.impl_for(source) && (not is_function(source) or is_function(source, 2))) ||
      raise ArgumentError,
            "the source must be a binary, {:file, path} or an enumerable of iodata, got: #{inspect(source, limit: 5)}"

    source
  end

  defp path!(path) do
    is_binary(path) || is_list(path) ||
      raise ArgumentError, "{:file, path} needs a path, got: #{inspect(path)}"
  end

  @doc """
  Opens a source in the calling process, which owns a raw file from then on. The decompressed size of a file may be at
  most `max_ratio` times its compressed size.
  """
  def open({:file, path, options}, max_ratio) do
    {:file, file, path} = source = open({:file, path}, max_ratio)
    if options == [], do: source, else: CompressedFile.new(file, path, max_ratio)
  end

  def open(source, _max_ratio), do: open(source)

  defp open(source) when is_binary(source) do
    if Bytes.aligned?(source), do: {:binary, source, 0}, else: {:iodata, Iodata.new(source), nil}
  end

  defp open(source) when is_list(source), do: {:iodata, Iodata.new(source), nil}

  defp open({:file, path}) do
    path = IO.chardata_to_string(path)

    case BoundedBinary.File.open(path) do
      {:ok, file, _size} -> {:file, file, path}
      {:error, reason} -> raise File.Error, reason: reason, action: "open", path: path
    end
  end

  defp open(enumerable) do
    step = fn element, _none -> {:suspend, Iodata.new(element)} end
    {:iodata, Iodata.new([]), &Enumerable.reduce(enumerable, &1, step)}
  end

  @doc "Returns `:eof` or `{part, last?, source}`. After a part with `last?`, none follows."
  def next({:binary, binary, offset}, chunk_bytes) do
    left = byte_size(binary) - offset

    if left <= chunk_bytes,
      do: {{binary, offset, left}, true, :eof},
      else: {{binary, offset, chunk_bytes}, false, {:binary, binary, offset + chunk_bytes}}
  end

  def next({:file, file, path} = source, chunk_bytes) do
    case :file.read(file, chunk_bytes) do
      {:ok, bytes} ->
        {{bytes, 0, byte_size(bytes)}, false, source}

      :eof ->
        close(source)
        :eof

      {:error, reason} ->
        close(source)
        raise File.Error, reason: reason, action: "read", path: path
    end
  end

  def next(%CompressedFile{} = source, chunk_bytes), do: CompressedFile.next(source, chunk_bytes)

  def next({:iodata, rest, continue} = source, chunk_bytes) do
    case Iodata.take(rest, chunk_bytes) do
      {:ok, part, rest} ->
        {part, false, {:iodata, rest, continue}}

      :none ->
        pull(continue, chunk_bytes)

      {:invalid, term} ->
        close(source)

        raise ArgumentError,
              "the source returned a term that is not iodata: #{inspect(term, limit: 5)}"
    end
  end

  def next(:eof, _chunk_bytes), do: :eof

  defp pull(nil, _chunk_bytes), do: :eof

  defp pull(continue, chunk_bytes) do
    case continue.({:cont, nil}) do
      {:suspended, rest, continue} -> next({:iodata, rest, continue}, chunk_bytes)
      {_done_or_halted, _} -> :eof
    end
  end

  @doc "Closes the file, or the enumeration of an enumerable."
  def close(%CompressedFile{} = source), do: CompressedFile.close(source)
  def close({:file, file, _path}), do: :file.close(file)

  def close({:iodata, _rest, continue}) when continue != nil do
    continue.({:halt, nil})
    :ok
  end

  def close(_source), do: :ok
end
