defmodule Demo.Group do
  @moduledoc false
  # A memory-limited control group of Linux, version 1 or 2.

  @root "/sys/fs/cgroup"

  defstruct [:path, :version]

  @doc "A group limited to `limit` bytes: `{:ok, group}`, or `{:error, reason}` where the machine allows none."
  def create(limit) do
    version = if File.exists?(Path.join(@root, "cgroup.controllers")), do: 2, else: 1
    parent = if version == 2, do: @root, else: Path.join(@root, "memory")
    group = %__MODULE__{path: Path.join(parent, "bounded-demo-#{System.pid()}"), version: version}

    # Without its controller for children a group of version 2 has no limit to write: that shows below.
    if version == 2, do: File.write(Path.join(parent, "cgroup.subtree_control"), "+memory")

    with :ok <- File.mkdir(group.path),
         :ok <- write(group, limit_file(version), limit),
         {:ok, ^limit} <- read(group, limit_file(version)) do
      # What is swapped out would not be missed. Not every machine counts swap.
      write(group, swap_file(version), if(version == 2, do: 0, else: limit))
      {:ok, group}
    else
      failure ->
        File.rmdir(group.path)
        {:error, "no control group can be made in #{parent} (#{reason(failure)})"}
    end
  end

  defp reason({:error, posix}) when is_atom(posix), do: :file.format_error(posix)
  defp reason(_), do: "its limit did not hold"

  @doc "The shell command that joins the group, for the process that runs it."
  def join(nil), do: "true"
  def join(group), do: "echo $$ > #{Path.join(group.path, "cgroup.procs")}"

  @doc "How many processes of the group the kernel has killed for their memory."
  def killed(group) do
    file = if group.version == 2, do: "memory.events", else: "memory.oom_control"
    text = File.read!(Path.join(group.path, file))

    case Regex.run(~r/^oom_kill (\d+)$/m, text) do
      [_, count] -> String.to_integer(count)
      nil -> 0
    end
  end

  @doc "Removes the group, whose processes must have been told to end."
  def remove(group, attempts \\ 500) do
    case File.rmdir(group.path) do
      {:error, :ebusy} when attempts > 0 ->
        Process.sleep(10)
        remove(group, attempts - 1)

      result ->
        result
    end
  end

  defp limit_file(2), do: "memory.max"
  defp limit_file(1), do: "memory.limit_in_bytes"
  defp swap_file(2), do: "memory.swap.max"
  defp swap_file(1), do: "memory.memsw.limit_in_bytes"

  defp write(group, file, value), do: File.write(Path.join(group.path, file), "#{value}")

  defp read(group, file) do
    with {:ok, text} <- File.read(Path.join(group.path, file)),
         {value, _} <- Integer.parse(text) do
      {:ok, value}
    end
  end
end
