defmodule Mix.Tasks.Compile.BoundedNative.Trial do
  @moduledoc false
  # Whether a library built elsewhere is one of this package's, before it is installed.

  @beam "Elixir.Bounded.Native.beam"

  # By processor: the field of an ELF header, and that of a Mach-O header.
  @processors %{"x86_64" => {62, 0x01000007}, "aarch64" => {183, 0x0100000C}}

  # A VM starts within a second. An emulated one on a busy machine has taken longer than a minute.
  @limit_ms 240_000

  @doc """
  `:ok` if the VM loads `content` as the library of `Bounded.Native`, whose file is in `ebin`; else `{:error, reason}`.

  Another VM tries, in a directory made inside `scratch`: a library is loaded once in the life of a VM, and a file that is
  no library may do anything. A VM that has not ended after `limit` milliseconds is killed.
  """
  def load(content, ebin, scratch, limit \\ @limit_ms) do
    directory = Path.join(scratch, "trial-#{System.pid()}")
    File.rm_rf!(directory)

    try do
      # `Bounded.Native` loads what is beside its own file.
      File.mkdir_p!(Path.join(directory, "ebin"))
      File.mkdir_p!(Path.join(directory, "priv/native"))
      File.cp!(Path.join(ebin, @beam), Path.join([directory, "ebin", @beam]))
      File.write!(Path.join(directory, "priv/native/bounded_nif#{extension()}"), content)
      try_in(directory, limit)
    after
      File.rm_rf!(directory)
    end
  end

  # `code:ensure_loaded/1` returns no reason. Another process of the VM logs it, before or after: the first of the two that
  # knows the reason prints it and ends the VM.
  @expression """
  logger:add_primary_filter(trial, {fun(Event, _) ->
    Text = io_lib:format("~0tp", [maps:get(msg, Event)]),
    string:find(Text, "on_load") =:= nomatch orelse begin io:put_chars(Text), halt(1) end,
    ignore
  end, []}),
  case code:ensure_loaded('Elixir.Bounded.Native') of
    {module, _} -> halt(0);
    {error, on_load_failure} -> receive after infinity -> ok end;
    {error, Reason} -> io:format("~0tp", [Reason]), halt(2)
  end.
  """

  defp try_in(directory, limit) do
    paths = [Path.join(directory, "ebin"), Path.join(:code.lib_dir(:elixir), "ebin")]
    arguments = ["-noinput", "-boot", "start_clean", "-pa"] ++ paths ++ ["-eval", @expression]

    case run(arguments, limit) do
      {_, 0} ->
        :ok

      {output, :timeout} ->
        {:error, "a VM that loads it had not ended after #{limit} ms. #{output}"}

      {output, status} ->
        {:error, reason(output, status)}
    end
  end

  # `System.cmd/3` would wait for ever.
  defp run(arguments, limit) do
    port =
      Port.open(
        {:spawn_executable, Path.join([List.to_string(:code.root_dir()), "bin", "erl"])},
        [:binary, :exit_status, :stderr_to_stdout, :hide] ++
          [args: arguments, env: [{~c"ERL_CRASH_DUMP_BYTES", ~c"0"}]]
      )

    listen(port, [], System.monotonic_time(:millisecond) + limit)
  end

  defp listen(port, output, deadline) do
    receive do
      {^port, {:data, data}} -> listen(port, [output | data], deadline)
      {^port, {:exit_status, status}} -> {IO.iodata_to_binary(output), status}
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        kill(port)
        {IO.iodata_to_binary(output), :timeout}
    end
  end

  # With the signal that a program cannot ignore: the library may have taken every scheduler. `kill` is part of every shell,
  # a program of that name is not part of every image.
  defp kill(port) do
    with {:os_pid, pid} <- Port.info(port, :os_pid),
         do: :os.cmd(~c"kill -KILL #{pid}")

    receive do
      {^port, {:exit_status, _}} -> :ok
    after
      5_000 -> Port.close(port)
    end
  end

  # Such as {error,{load_failed,"Failed to load NIF library: '... file too short'"}}.
  defp reason(output, status) do
    case Regex.run(~r/\{error,\{\w+,"([^"]*)"\}\}/, output) do
      [_, reason] -> reason
      nil -> "a VM that loads it ends with status #{status}. #{output}"
    end
  end

  @doc """
  `:ok` if `content` looks like this package's library for `triple`, which this machine cannot run; else `{:error, reason}`.
  """
  def inspect_header(content, triple) do
    [processor | _] = String.split(triple, "-")
    expected = @processors[processor]

    case {header(content), expected} do
      {nil, _} ->
        {:error, "it is neither an ELF nor a Mach-O file for a 64-bit or 32-bit processor"}

      {found, {elf, macho}} when found not in [elf, macho] ->
        {:error, "it is for another processor than #{triple}"}

      _ ->
        if content =~ "nif_init", do: :ok, else: {:error, "it has no function nif_init"}
    end
  end

  defp header(<<0x7F, "ELF", _, 1, _::binary-12, machine::little-16, _::binary>>), do: machine
  defp header(<<0x7F, "ELF", _, 2, _::binary-12, machine::big-16, _::binary>>), do: machine
  defp header(<<0xFEEDFACF::little-32, processor::little-32, _::binary>>), do: processor
  defp header(_), do: nil

  # `load_nif` adds `.dll` on Windows and `.so` everywhere else, on macOS too.
  defp extension, do: if(match?({:win32, _}, :os.type()), do: ".dll", else: ".so")
end
