defmodule Bounded.KernelFile do
  @moduledoc false
  # Files in which the kernel reports figures: /proc and /sys/fs/cgroup.
  #
  # `root` is the folder below which they are read, "/" or that of recorded files, or a function that reads a path, such as one
  # that asks another node.

  alias Bounded.Native

  @type root :: Path.t() | (Path.t() -> binary)

  @typedoc "A file that is read again and again."
  @opaque open :: {:native, reference} | {:device, :file.fd()}

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

  @doc """
  Opens a file that is read again and again: `{:ok, open}` or `{:error, posix}`.

  The kernel's own files of memory in use are read on the caller's scheduler, in some microseconds. Reads of others, such as
  recorded ones, go through the VM's dirty I/O schedulers, for which they wait on a busy machine.
  """
  @spec open(Path.t(), Path.t()) :: {:ok, open} | {:error, atom}
  def open(root, path) do
    path = Path.join(root, path)

    case Native.kernel_file_open(path) do
      {:ok, file} ->
        {:ok, {:native, file}}

      {:error, _other_kind} ->
        with {:ok, device} <- :file.open(path, [:read, :raw, :binary]),
             do: {:ok, {:device, device}}
    end
  end

  # As much as the kernel returns at once.
  @page 4_096

  @doc "The start of an open file as it is now, or \"\" if it cannot be read, as when its control group is gone."
  @spec reread(open) :: binary
  def reread({:native, file}) do
    case Native.kernel_file_read(file) do
      {:ok, text} -> text
      {:error, _} -> ""
    end
  end

  def reread({:device, device}) do
    case :file.pread(device, 0, @page) do
      {:ok, text} -> text
      _ -> ""
    end
  end

  @doc """
  Starts a thread that reads an open file and wakes the caller: `{:ok, watch}` for `Native.usage_watch_order/5`, or `:error` where
  only the VM reads the file, or the system makes no thread.
  """
  @spec watch(open) :: {:ok, reference} | :error
  def watch({:native, file}) do
    with {:error, _reason} <- Native.usage_watch_start(file), do: :error
  end

  def watch({:device, _}), do: :error

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
  Resident bytes of the VM, or nil. Mapped files are left out, except where the kernel reports only both together (`VmRSS`).
  """
  @spec resident(root) :: non_neg_integer | nil
  def resident(root), do: root |> read("proc/self/status") |> resident_in()

  @doc "The same, from the text of `proc/self/status`."
  @spec resident_in(binary) :: non_neg_integer | nil
  def resident_in(status), do: bytes(status, "RssAnon") || bytes(status, "VmRSS")
end
