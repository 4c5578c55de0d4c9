defmodule Mix.Tasks.Compile.BoundedNative.Release do
  @moduledoc false
  # The ready-made library of a release: identified by its checksum, downloaded, and kept in a cache.

  alias Mix.Tasks.Compile.BoundedNative.Download

  # The version of the NIF interface that the library needs, by which its archive is named. OTP 25 has 2.16.
  @nif_version "2.15"

  # As `sha256sum` writes it, made by `bin/release`; only in a published package.
  @checksums "checksums.sha256"

  @doc "Returns the name of the archive with the library of `version` for `triple`."
  def archive(version, triple),
    do: "libbounded_nif-v#{version}-nif-#{@nif_version}-#{triple}.so.tar.gz"

  @doc """
  Returns `{archive, sha256}` of the library for `triple`, from the checksums in `directory`, or `nil` if none is published.
  """
  def find(directory, version, triple) do
    archive = triple && archive(version, triple)

    with true <- is_binary(archive),
         {:ok, lines} <- File.read(Path.join(directory, @checksums)) do
      lines
      |> String.split("\n")
      |> Enum.map(&String.split/1)
      |> Enum.find_value(fn
        [sha256, ^archive] -> {archive, sha256}
        _ -> nil
      end)
    else
      _ -> nil
    end
  end

  @doc """
  Returns the library in `archive`, which must have the checksum `sha256`: `{:ok, content}` or `{:error, message}`.

  Reads the directory `cache`, or downloads from `url` and stores the archive there. A cached file with another checksum is
  replaced.
  """
  def fetch(archive, sha256, url, cache, download \\ &Download.get/1) do
    Download.need([:crypto])
    kept = Path.join(cache, archive)
    source = "#{String.trim_trailing(url, "/")}/#{archive}"

    with {:cached, false} <- {:cached, checksum(File.read(kept)) == sha256},
         {:ok, content} <- download.(source),
         :ok <- check(content, sha256, source) do
      keep(content, kept)
      unpack(content, source)
    else
      {:cached, true} -> kept |> File.read!() |> unpack(kept)
      {:error, reason} -> {:error, reason <> instead()}
    end
  end

  @doc "Returns the directory of cached archives: `BOUNDED_CACHE_DIR`, or the user's cache directory."
  def cache(variables \\ System.get_env()) do
    case variables["BOUNDED_CACHE_DIR"] do
      directory when directory in [nil, ""] ->
        to_string(:filename.basedir(:user_cache, "bounded"))

      directory ->
        directory
    end
  end

  defp check(content, sha256, source) do
    case checksum({:ok, content}) do
      ^sha256 ->
        :ok

      found ->
        {:error,
         """
         #{source} is not the library that was released:
           its SHA-256 is  #{found} (#{byte_size(content)} bytes),
           released was    #{sha256}.
         Nothing is installed.
         """}
    end
  end

  defp checksum({:ok, content}), do: :crypto.hash(:sha256, content) |> Base.encode16(case: :lower)
  defp checksum({:error, _}), do: nil

  # Several builds may do this at once. If the cache cannot be written, the next build downloads again.
  defp keep(content, path) do
    partial = "#{path}.#{System.pid()}"

    with :ok <- File.mkdir_p(Path.dirname(path)),
         :ok <- File.write(partial, content),
         :ok <- File.rename(partial, path) do
      :ok
    else
      {:error, reason} ->
        File.rm(partial)

        Mix.shell().info(
          "Bounded cannot keep its library in #{path}: #{:file.format_error(reason)}"
        )
    end
  end

  # The checksum is right, so this is the archive of one file that `bin/release` made.
  defp unpack(content, source) do
    case :erl_tar.extract({:binary, content}, [:memory, :compressed]) do
      {:ok, [{_, library}]} ->
        {:ok, library}

      other ->
        {:error,
         "#{source} holds no library: #{inspect(other, limit: 3, printable_limit: 80)}\n" <>
           instead()}
    end
  end

  defp instead do
    """
    Instead, set BOUNDED_BUILD=1 to build the library with Rust, or BOUNDED_NIF to the absolute path of a library built
    elsewhere.
    """
  end
end
