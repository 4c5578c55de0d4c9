defmodule BoundedXml.Source.CompressedFile do
  @moduledoc false
  # A file that may be compressed with gzip, read in parts of bounded size. As with `:compressed` of `:file`, a
  # file without the header of gzip is read unchanged.
  #
  # Bytes are decompressed on demand, so a decompression bomb never takes more memory than a part.

  alias BoundedBinary.DecodeError
  alias BoundedXml.Source.Iodata

  # Compressed bytes read at once.
  @read_bytes 16_384

  # zlib's value for a gzip header. A file may have several members.
  @gzip_window_bits 31

  # `rest` is decompressed output that was not returned yet. `pending?` means that zlib has more output without further
  # input. `zlib` is nil for a file without compression.
  @enforce_keys [:file, :path, :max_ratio]
  defstruct [
    :file,
    :path,
    :max_ratio,
    :zlib,
    rest: Iodata.new([]),
    begun?: false,
    pending?: false,
    read: 0,
    written: 0
  ]

  @doc "Returns a source that reads `file`, which is open for raw reading in the calling process."
  def new(file, path, max_ratio), do: %__MODULE__{file: file, path: path, max_ratio: max_ratio}

  @doc "Returns `{part, last?, source}` or `:eof`, like `BoundedXml.Source.next/2`."
  def next(%__MODULE__{rest: rest} = source, chunk_bytes) do
    case Iodata.take(rest, chunk_bytes) do
      {:ok, part, rest} -> {part, false, %{source | rest: rest}}
      :none -> more(source, chunk_bytes)
    end
  end

  @doc "Closes the file."
  def close(%__MODULE__{file: file, zlib: zlib}) do
    if zlib, do: :zlib.close(zlib)
    :file.close(file)
  end

  defp more(%{pending?: true} = source, chunk_bytes), do: inflate(source, [], chunk_bytes)

  defp more(source, chunk_bytes) do
    case :file.read(source.file, @read_bytes) do
      {:ok, bytes} ->
        source = %{begin(source, bytes) | read: source.read + byte_size(bytes)}

        if source.zlib,
          do: inflate(source, bytes, chunk_bytes),
          else: next(%{source | rest: Iodata.new(bytes)}, chunk_bytes)

      :eof ->
        finish(source)

      {:error, reason} ->
        close(source)
        raise File.Error, reason: reason, action: "read", path: source.path
    end
  end

  defp begin(%{begun?: true} = source, _bytes), do: source

  defp begin(source, <<31, 139, _::binary>>) do
    zlib = :zlib.open()
    :ok = :zlib.inflateInit(zlib, @gzip_window_bits, :reset)
    %{source | begun?: true, zlib: zlib}
  end

  defp begin(source, _bytes), do: %{source | begun?: true}

  defp inflate(source, bytes, chunk_bytes) do
    {status, output} = safe_inflate(source, bytes)
    written = source.written + IO.iodata_length(output)
    source = %{source | written: written, pending?: status == :continue}
    check_ratio!(source)
    next(%{source | rest: Iodata.new(output)}, chunk_bytes)
  end

  # A gzip file names no dictionary that it was compressed with.
  defp safe_inflate(source, bytes) do
    :zlib.safeInflate(source.zlib, bytes)
  rescue
    error in ErlangError -> fail!(source, :malformed, "is damaged (#{inspect(error.original)})")
  end

  defp check_ratio!(%{max_ratio: :infinity}), do: :ok

  defp check_ratio!(%{written: written, read: read, max_ratio: max_ratio} = source) do
    if written > max_ratio * read do
      fail!(
        source,
        :limit,
        "decompresses #{read} bytes to #{written}, more than #{max_ratio} times as many (option max_ratio). " <>
          "If you trust the file, pass a larger max_ratio"
      )
    end
  end

  defp finish(%{zlib: nil} = source) do
    close(source)
    :eof
  end

  defp finish(source) do
    try do
      :zlib.inflateEnd(source.zlib)
    rescue
      ErlangError -> fail!(source, :truncated, "is truncated")
    end

    close(source)
    :eof
  end

  # A source closes itself before it raises.
  defp fail!(source, kind, problem) do
    close(source)
    raise DecodeError.new(kind, "the compressed file #{source.path} #{problem}")
  end
end
