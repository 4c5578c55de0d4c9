defmodule Bench.Vm do
  # Runs an expression in a VM of its own, inside a memory control group where one can be made.

  alias Bench.ControlGroup

  # No row is meant to take more, and the kernel kills the VM that does: that is a fault of the row.
  @group_bytes 4 * 1024 * 1024 * 1024

  @doc "Calls `fun` with what `run/3` needs. The modules of `compiled` are there in every VM."
  def with_machine(compiled, fun, group_bytes \\ @group_bytes) do
    # Not "bounded-...": the code server would take that for a version of this library.
    directory = Path.join(System.tmp_dir!(), "bench-#{System.pid()}")
    File.mkdir_p!(directory)
    for {module, code} <- compiled, do: File.write!(Path.join(directory, "#{module}.beam"), code)
    group = ControlGroup.create(group_bytes)

    try do
      fun.(%{directory: directory, group: group, group_bytes: group_bytes})
    after
      with {:ok, made} <- group, do: ControlGroup.remove(made)
      File.rm_rf!(directory)
    end
  end

  @doc "The release, the machine, and the group or why there is none."
  def describe(machine) do
    "#{Date.utc_today()}, OTP #{System.otp_release()}, Elixir #{System.version()}, " <>
      "#{System.schedulers_online()} schedulers, #{group(machine)}"
  end

  defp group(%{group: {:ok, _}, group_bytes: bytes}),
    do: "in a control group of #{Bounded.Format.bytes(bytes)}"

  defp group(%{group: {:error, why}}), do: "without a control group (#{why})"

  @doc """
  What `expression` has handed to `return/1`: `{:ok, term}`, or `{:died, why}`, or `:hung` after `milliseconds`. `flags` are of
  the emulator, `environment` has more variables.
  """
  def run(machine, expression, milliseconds, flags \\ "", environment \\ []) do
    port =
      Port.open({:spawn_executable, System.find_executable("sh")}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        args: ["-c", command(machine, expression)],
        cd: machine.directory,
        env: [
          {~c"ERL_CRASH_DUMP_SECONDS", ~c"0"},
          {~c"ERL_AFLAGS", to_charlist("-noinput #{flags}")} | environment
        ]
      ])

    {:os_pid, pid} = Port.info(port, :os_pid)
    collect(port, pid, System.monotonic_time(:millisecond) + milliseconds, "")
  end

  @doc "Returns `term` to the caller of `run/3`, and ends this VM, also what still runs in it."
  def return(term) do
    IO.puts("\nRESULT #{term |> :erlang.term_to_binary() |> Base.encode64()}")
    System.halt(0)
  end

  defp command(machine, expression) do
    enter =
      case machine.group do
        {:ok, group} -> ControlGroup.enter(group) <> " && "
        {:error, _} -> ""
      end

    paths = [machine.directory | Enum.map(:code.get_path(), &to_string/1)]
    arguments = Enum.flat_map(paths, &["-pa", &1]) ++ ["-e", expression]
    enter <> "exec elixir " <> Enum.map_join(arguments, " ", &"'#{&1}'")
  end

  defp collect(port, pid, deadline, output) do
    receive do
      {^port, {:data, data}} -> collect(port, pid, deadline, output <> data)
      {^port, {:exit_status, status}} -> returned(output) || {:died, cause(status, output)}
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        System.cmd("kill", ["-9", "#{pid}"])
        returned(output) || :hung
    end
  end

  defp returned(output) do
    case Regex.run(~r/^RESULT (\S+)$/m, output) do
      [_, encoded] -> {:ok, encoded |> Base.decode64!() |> :erlang.binary_to_term()}
      nil -> nil
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
