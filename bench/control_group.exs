defmodule Bench.ControlGroup do
  # A memory-limited control group below the one this VM runs in, version 1 or 2.

  alias Bounded.Cgroup

  @doc "Makes a group of `limit` bytes. `name` tells the groups of one VM apart."
  def create(limit, name \\ "") do
    case Cgroup.find() do
      %{version: version, directories: [_ | _] = directories} ->
        # Version 2 has no limit below a group that holds processes, so the group may have to stand further up.
        Enum.find_value(directories, &made(version, &1, limit, name)) ||
          {:error, "no group can be made below #{hd(directories)}"}

      _ ->
        {:error, "there are no control groups here"}
    end
  end

  defp made(version, parent, limit, name) do
    directory = Path.join(parent, "bounded-bench-#{System.pid()}#{name}")
    if version == 2, do: File.write(Path.join(parent, "cgroup.subtree_control"), "+memory")

    with :ok <- File.mkdir(directory),
         :ok <- File.write(Path.join(directory, file(version, :limit)), "#{limit}") do
      {:ok, %{version: version, directory: directory}}
    else
      {:error, _reason} ->
        File.rmdir(directory)
        nil
    end
  end

  @doc "The shell command after which a shell and what it starts belong to the group."
  def enter(%{directory: directory}), do: "echo $$ > #{Path.join(directory, "cgroup.procs")}"

  def largest_usage(group), do: group |> read(:peak) |> String.trim() |> String.to_integer()

  def kills(group) do
    case Regex.run(~r/^oom_kill (\d+)$/m, read(group, :events)) do
      [_, kills] -> String.to_integer(kills)
      nil -> 0
    end
  end

  def remove(%{directory: directory}), do: File.rmdir(directory)

  defp read(%{version: version, directory: directory}, what),
    do: File.read!(Path.join(directory, file(version, what)))

  defp file(1, :limit), do: "memory.limit_in_bytes"
  defp file(2, :limit), do: "memory.max"
  defp file(1, :peak), do: "memory.max_usage_in_bytes"
  defp file(2, :peak), do: "memory.peak"
  defp file(1, :events), do: "memory.oom_control"
  defp file(2, :events), do: "memory.events"
end
