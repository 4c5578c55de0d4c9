defmodule Bench.Escapes.Runner do
  # Starts a VM for each probe, inside a memory control group where one can be made.

  alias Bench.ControlGroup
  alias Bench.Escapes.Probe

  # No row is meant to take more, and the kernel kills the VM that does: that is a fault of the row.
  @group_bytes 4 * 1024 * 1024 * 1024
  # Longer than the time limit of any row. A VM that takes longer hangs.
  @hangs_ms 90_000

  @doc "Calls `fun` with what `probe/2` needs. The modules of `compiled` are there in every VM."
  def with_machine(compiled, fun) do
    # Not "bounded-...": the code server would take that for a version of this library.
    directory = Path.join(System.tmp_dir!(), "escapes-#{System.pid()}")
    File.mkdir_p!(directory)
    for {module, code} <- compiled, do: File.write!(Path.join(directory, "#{module}.beam"), code)
    group = ControlGroup.create(@group_bytes)

    try do
      fun.(%{directory: directory, group: group})
    after
      with {:ok, made} <- group, do: ControlGroup.remove(made)
      File.rm_rf!(directory)
    end
  end

  @doc "What the machine is for the report: the group, or why there is none."
  def describe(%{group: {:ok, _}}),
    do: "in a control group of #{div(@group_bytes, 1_073_741_824)} GiB"

  def describe(%{group: {:error, why}}), do: "without a control group (#{why})"

  @doc "`{bytes, milliseconds, outcome}` of row `index`."
  def probe(machine, index) do
    case run(machine, command(machine, index)) do
      {:exited, status, output} ->
        Probe.parse(output) || {:infinity, 0, {:died, cause(status, output)}}

      {:hung, output} ->
        Probe.parse(output) || {:infinity, @hangs_ms, :hung}
    end
  end

  defp command(machine, index) do
    enter =
      case machine.group do
        {:ok, group} -> ControlGroup.enter(group) <> " && "
        {:error, _} -> ""
      end

    paths = [machine.directory | Enum.map(:code.get_path(), &to_string/1)]
    arguments = Enum.flat_map(paths, &["-pa", &1]) ++ ["-e", "Bench.Escapes.Probe.main(#{index})"]
    enter <> "exec elixir " <> Enum.map_join(arguments, " ", &"'#{&1}'")
  end

  defp run(machine, command) do
    port =
      Port.open({:spawn_executable, System.find_executable("sh")}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        args: ["-c", command],
        cd: machine.directory,
        env: [{~c"ERL_CRASH_DUMP_SECONDS", ~c"0"}, {~c"ERL_AFLAGS", ~c"-noinput"}]
      ])

    {:os_pid, pid} = Port.info(port, :os_pid)
    collect(port, pid, System.monotonic_time(:millisecond) + @hangs_ms, "")
  end

  defp collect(port, pid, deadline, output) do
    receive do
      {^port, {:data, data}} -> collect(port, pid, deadline, output <> data)
      {^port, {:exit_status, status}} -> {:exited, status, output}
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        System.cmd("kill", ["-9", "#{pid}"])
        {:hung, output}
    end
  end

  defp cause(137, _output), do: "killed by the kernel"
  defp cause(139, _output), do: "segmentation fault"

  defp cause(status, output) do
    case Regex.run(~r/Cannot allocate \d+ bytes[^\n]*|\*\* \([^\n]*/, output) do
      [line] -> String.slice(line, 0, 100)
      nil -> "exit status #{status}: #{output |> String.trim() |> String.slice(-100, 100)}"
    end
  end
end
