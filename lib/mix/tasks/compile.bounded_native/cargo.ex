defmodule Mix.Tasks.Compile.BoundedNative.Cargo do
  @moduledoc false
  # Runs Cargo for `Mix.Tasks.Compile.BoundedNative` and parses its output.

  alias Mix.Task.Compiler.Diagnostic

  @manifest "native/nif/Cargo.toml"

  @doc """
  Runs `cargo` with `args`. Returns `{:ok, status, output}`, or `:missing` without Cargo.

  Messages of Cargo for people are printed as they come, and are without colours in `output`. Its messages for tools, one JSON
  object per line, are only in `output`.
  """
  def run(args) do
    case executable() do
      nil -> :missing
      cargo -> cargo |> open(args) |> listen([], [])
    end
  end

  # Editors and service managers start Mix without rustup's addition to PATH.
  defp executable do
    home = System.get_env("CARGO_HOME") || Path.expand("~/.cargo")
    System.find_executable("cargo") || System.find_executable(Path.join([home, "bin", "cargo"]))
  end

  defp open(cargo, args) do
    # Cargo writes to a pipe, and then uses colours only if this asks for them.
    colour = if IO.ANSI.enabled?(), do: ~c"always", else: ~c"never"

    Port.open({:spawn_executable, cargo}, [
      :binary,
      :exit_status,
      :stderr_to_stdout,
      :hide,
      line: 65_536,
      args: args,
      env: [{~c"CARGO_TERM_COLOR", colour}]
    ])
  end

  defp listen(port, begun, lines) do
    receive do
      {^port, {:data, {:noeol, part}}} ->
        listen(port, [begun | part], lines)

      {^port, {:data, {:eol, part}}} ->
        line = IO.iodata_to_binary([begun | part])
        show(line)
        listen(port, [], [line | lines])

      {^port, {:exit_status, status}} ->
        lines = Enum.reverse([IO.iodata_to_binary(begun) | lines])
        {:ok, status, lines |> Enum.join("\n") |> without_colours()}
    end
  end

  # Hides "Finished", so that a build without changes prints nothing.
  defp show(line) do
    unless String.starts_with?(line, "{") or without_colours(line) =~ ~r/^\s*Finished /,
      do: Mix.shell().info(line)
  end

  defp without_colours(text), do: String.replace(text, ~r/\e\[[\d;]*m/, "")

  @doc """
  The path of the dynamic library of `crate` that Cargo built or found fresh: `{:ok, path}` or `:error`.

  Elixir has no JSON library before 1.18; of one object in a line, written by Cargo, we need one list of strings.
  """
  def library(output, crate) do
    output
    |> String.split("\n")
    |> Enum.filter(&artifact?(&1, crate))
    |> Enum.flat_map(&filenames/1)
    |> Enum.find(&(Path.extname(&1) in ~w(.so .dylib .dll)))
    |> case do
      nil -> :error
      path -> {:ok, path}
    end
  end

  defp artifact?(line, crate) do
    line =~ ~r/^\{.*"reason"\s*:\s*"compiler-artifact"/ and line =~ ~r/"cdylib"/ and
      line =~ ~r/"name"\s*:\s*"#{Regex.escape(crate)}"/
  end

  defp filenames(line) do
    case Regex.run(~r/"filenames"\s*:\s*\[((?:\s*"(?:[^"\\]|\\.)*"\s*,?)*)\s*\]/, line) do
      [_, list] -> for [_, string] <- Regex.scan(~r/"((?:[^"\\]|\\.)*)"/, list), do: plain(string)
      nil -> []
    end
  end

  # Cargo escapes only quotes, backslashes and control characters.
  defp plain(json) do
    Regex.replace(~r/\\(?:u([[:xdigit:]]{4})|(.))/u, json, fn
      _, "", character -> Map.get(%{"n" => "\n", "r" => "\r", "t" => "\t"}, character, character)
      _, hex, _ -> <<String.to_integer(hex, 16)::utf8>>
    end)
  end

  @doc """
  The errors and warnings in Cargo's output as Mix diagnostics.
  """
  def diagnostics(output) do
    located =
      for [_, severity, message, file, line, column] <-
            Regex.scan(
              ~r/^(error|warning)(?:\[\w+\])?: (.+)\n\s*--> (.+):(\d+):(\d+)$/m,
              output
            ) do
        {line, column} = {String.to_integer(line), String.to_integer(column)}
        diagnostic(severity, message, file, {line, column, line, column})
      end

    located ++ unlocated(output, located)
  end

  # An error of the linker, or of fetching a crate, has no source position.
  defp unlocated(output, located) do
    with false <- Enum.any?(located, &(&1.severity == :error)),
         [_, message] <- Regex.run(~r/^error(?:\[\w+\])?: (.+)$/m, output) do
      [diagnostic("error", message)]
    else
      _ -> []
    end
  end

  def diagnostic(severity, message, file \\ @manifest, position \\ 0) do
    %Diagnostic{
      compiler_name: "Cargo",
      severity: String.to_existing_atom(severity),
      message: message,
      file: Path.expand(file),
      position: position
    }
  end

  @doc """
  Returns what to install, if Cargo failed with `output` because it is missing; else `nil`.
  """
  def advice(:missing) do
    """
    Bounded is built with Rust, but there is no `cargo` in PATH or in ~/.cargo/bin.
    Install Rust 1.93 or later (https://rustup.rs), or set BOUNDED_NIF to the absolute path of a
    library built elsewhere.
    """
  end

  def advice(output) do
    cond do
      output =~ ~r/linker `.*` not found|failed to find tool|is `.*` installed\?/ ->
        """
        Bounded's native code needs a C compiler and linker, and this machine has none in PATH.
        On Debian and Ubuntu: apt-get install gcc libc6-dev; on Fedora: dnf install gcc; on Alpine:
        apk add build-base; on macOS: xcode-select --install.
        """

      output =~ ~r/cannot find (?:Scrt1|crti)\.o|\.h: No such file or directory/ ->
        """
        Bounded's native code needs the C library's development files, and this machine lacks them.
        On Debian and Ubuntu: apt-get install libc6-dev; on Fedora: dnf install glibc-devel; on Alpine:
        apk add musl-dev.
        """

      output =~ ~r/rustc \S+ is not supported by|requires rustc|feature `edition2024` is required/ ->
        "Bounded is built with Rust 1.93 or later: `rustup update stable` installs it.\n"

      true ->
        nil
    end
  end
end
