defmodule BoundedXml.CompressedFile do
  @moduledoc false
  # A file that may be compressed with gzip, read in parts of bounded size. As with `:compressed` of `:file`, a
  # file without the header of gzip is read as it is.
  #
  # What zlib makes of the bytes read last is asked for as it is needed: a bomb is never more than a part large.

  alias BoundedBinary.DecodeError
  alias BoundedXml.Iodata

  # Compressed bytes read at once.
  @read_bytes 16_384

  # With a header of gzip; members may follow each other.
  @gzip_window_bits 31

  # `rest` is what was decompressed and not yet given; `pending?` says that zlib has more without further input;
  # `zlib` is nil for a file that is read as it is.
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

  @doc "Reads on in `file`, which is open for raw reading in the calling process."
  def new(file, path, max_ratio), do: %__MODULE__{file: file, path: path, max_ratio: max_ratio}

  @doc "`{part, last?, source}` or `:eof`, as `BoundedXml.Source.next/2`."
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
    case safe_inflate(source, bytes) do
      {status, output} when status in [:continue, :finished] ->
        written = source.written + IO.iodata_length(output)
        source = %{source | written: written, pending?: status == :continue}
        check_ratio!(source)
        next(%{source | rest: Iodata.new(output)}, chunk_bytes)

      {:need_dictionary, _adler, _output} ->
        fail!(source, :malformed, "is compressed with a preset dictionary, which is not here")
    end
  end

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
        "comes to #{written} bytes from #{read}, more than #{max_ratio} times as many. " <>
          "If the file is to be trusted, pass a larger max_ratio"
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
      ErlangError -> fail!(source, :truncated, "ends too early")
    end

    close(source)
    :eof
  end

  # A source that raises has closed itself.
  defp fail!(source, kind, what) do
    close(source)
    raise DecodeError.new(kind, "the compressed file #{source.path} #{what}")
  end
end
