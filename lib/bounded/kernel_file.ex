defmodule Bounded.KernelFile do
  @moduledoc false
  # Files in which the kernel reports figures: /proc and /sys/fs/cgroup.
  #
  # `root` is the folder below which they are read, "/" or that of recorded files, or a function that reads a path, such as one
  # that asks another node.

  @type root :: Path.t() | (Path.t() -> binary)

  # No file read here is larger, and files in /proc do not report their size.
  @longest 1_048_576

  @doc "The text of a file, or \"\" if it cannot be read."
  @spec read(root, Path.t()) :: binary
  def read(root, path) when is_function(root, 1), do: root.(Path.join("/", path))

  # Raw: without a round trip to the file server at every poll.
  def read(root, path) do
    case :file.open(Path.join(root, path), [:read, :raw, :binary]) do
      {:ok, device} ->
        text = read_all(device, "")
        :file.close(device)
        text

      {:error, _} ->
        ""
    end
  end

  # The kernel returns such files a page at a time.
  defp read_all(device, text) when byte_size(text) < @longest do
    case :file.read(device, 65_536) do
      {:ok, more} -> read_all(device, text <> more)
      _ -> text
    end
  end

  defp read_all(_device, text), do: text

  @doc "The number at the start of a text, or nil."
  @spec integer(binary) :: non_neg_integer | nil
  def integer(text) do
    case text |> String.trim_leading() |> Integer.parse() do
      {number, _unit} when number >= 0 -> number
      _ -> nil
    end
  end

  @doc "The number after `key` at the start of a line, or nil. Does not split the text: these files are read at every poll."
  @spec figure(binary, binary) :: non_neg_integer | nil
  def figure(text, key) do
    case :binary.match(text, "\n" <> key) do
      {at, length} ->
        integer(binary_part(text, at + length, byte_size(text) - at - length))

      :nomatch ->
        if String.starts_with?(text, key), do: integer(String.replace_prefix(text, key, ""))
    end
  end

  @doc "The bytes after `key` in a file of lines such as `VmRSS:  2104 kB`, or nil."
  @spec bytes(binary, binary) :: non_neg_integer | nil
  def bytes(text, key) do
    with kib when is_integer(kib) <- figure(text, key <> ":"), do: kib * 1024
  end

  @doc """
  Bytes of memory that the VM has resident, without files that it maps, or nil.
  """
  @spec resident(root) :: non_neg_integer | nil
  def resident(root) do
    status = read(root, "proc/self/status")
    bytes(status, "RssAnon") || bytes(status, "VmRSS")
  end
end
