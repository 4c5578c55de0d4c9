defmodule Mix.Tasks.Compile.BoundedNative do
  @shortdoc "Builds the native library with Cargo"
  @moduledoc """
  Builds the native library with Cargo.

  It is the last compiler of `mix compile`. Cargo alone decides what is stale; this task asks it, turns
  what it finds into Mix diagnostics and installs the library in `priv/native` of the *build* directory,
  so that each environment, and each project that depends on this one, has its own copy.

  In `prod`, which is also how Mix builds a dependency, Cargo builds its `release` profile with
  `--locked`; in any other environment its `dev` profile. Everything else is set as for Cargo itself:
  `CARGO_TARGET_DIR`, `CARGO_BUILD_TARGET`, `CARGO_NET_OFFLINE`, `RUSTFLAGS`, `.cargo/config.toml`.

  `BOUNDED_NIF=/absolute/path/to/library` installs a library built elsewhere and leaves Cargo alone.
  """

  use Mix.Task.Compiler

  alias Bounded.Cargo

  @crate "bounded_nif"

  @impl true
  def run(args) do
    case ready_made() do
      nil -> build(args)
      path -> install_ready_made(path)
    end
  end

  @impl true
  def clean do
    File.rm_rf!(directory())

    # Mix has removed `Bounded.Cargo` by now. Without Cargo there is nothing of its to remove.
    cargo = System.find_executable("cargo")
    if cargo && !ready_made(), do: System.cmd(cargo, clean_args(), stderr_to_stdout: true)
    :ok
  end

  # Unlike `cargo build`, `cargo clean` has to be told of the target.
  defp clean_args do
    target = System.get_env("CARGO_BUILD_TARGET")
    target = if target, do: ["--target", target], else: []
    ["clean", "--package", @crate, "--package", "bounded_core"] ++ target ++ profile()
  end

  defp ready_made do
    case System.get_env("BOUNDED_NIF") do
      path when path in [nil, ""] -> nil
      path -> path
    end
  end

  # A dependency is compiled in its own directory: a relative path would mean another file there.
  defp install_ready_made(path) do
    if Path.type(path) == :absolute and File.regular?(path) do
      {install(path), []}
    else
      failed([], "BOUNDED_NIF is #{inspect(path)}, which is not the absolute path of a file.\n")
    end
  end

  defp build(args) do
    command = ["build", "--package", @crate, "--message-format=json-render-diagnostics"]

    case Cargo.run(command ++ profile()) do
      :missing -> failed([], Cargo.advice(:missing))
      {:ok, 0, output} -> built(output, "--warnings-as-errors" in args)
      {:ok, _, output} -> failed(Cargo.diagnostics(output), Cargo.advice(output))
    end
  end

  defp built(output, strict?) do
    findings = Cargo.diagnostics(output)

    case Cargo.library(output, @crate) do
      {:ok, _} when strict? and findings != [] -> {:error, findings}
      {:ok, library} -> {install(library), findings}
      :error -> failed(findings, "Cargo built #{@crate} but named no dynamic library.\n")
    end
  end

  defp failed(findings, nil), do: {:error, findings}

  defp failed(findings, message) do
    Mix.shell().error(message)
    {:error, findings ++ [Cargo.diagnostic("error", message)]}
  end

  defp profile, do: if(Mix.env() == :prod, do: ["--release", "--locked"], else: [])

  # Compared by content: sizes and times of two builds within a second, or from a store that sets all
  # times to 1970, are the same. A running VM may have the old library mapped: it is replaced, never
  # written into.
  defp install(library) do
    target = Path.join(directory(), @crate <> extension(library))
    content = File.read!(library)

    if File.read(target) == {:ok, content} do
      :noop
    else
      File.mkdir_p!(directory())
      File.write!(target <> ".new", content)
      File.rename!(target <> ".new", target)
      :ok
    end
  end

  # `load_nif` adds `.dll` on Windows and `.so` everywhere else, on macOS too.
  defp extension(library), do: if(Path.extname(library) == ".dll", do: ".dll", else: ".so")

  defp directory, do: Path.join([Mix.Project.app_path(), "priv", "native"])
end
