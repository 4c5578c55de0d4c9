defmodule Mix.Tasks.Compile.BoundedNative do
  @shortdoc "Builds or installs the native library"
  @moduledoc since: "0.1.0"
  @moduledoc """
  Installs the native library in `priv/native` of the *build* directory, so that each environment, and each project that
  depends on this one, has its own copy. It is the last compiler of `mix compile`.

  The library comes from the first of these that applies:

    1. `BOUNDED_NIF=/absolute/path/to/library`: a library built elsewhere. A library that the VM cannot load fails the
       compilation. The path is remembered for later calls of Mix, until it is set to nothing (`BOUNDED_NIF=`), until
       `BOUNDED_BUILD=1` or until `mix clean`.
    2. Cargo, where `BOUNDED_BUILD=1` or the package has no checksum of a library for this platform. In `prod`, which is also
       how Mix builds a dependency, Cargo builds its `release` profile with `--locked`; in any other environment its `dev`
       profile. Cargo alone decides what is stale. Everything else is set as for Cargo itself: `CARGO_TARGET_DIR`,
       `CARGO_BUILD_TARGET`, `CARGO_NET_OFFLINE`, `RUSTFLAGS`, `.cargo/config.toml`.
    3. The release's library for this platform, downloaded by HTTPS and checked against the package's checksum.

  | variable of a download | what it sets |
  | --- | --- |
  | `BOUNDED_RELEASE_URL` | the address of a mirror: a folder with the release's files |
  | `BOUNDED_CACHE_DIR` | the folder that keeps downloads; without it `bounded` in the user's cache directory |
  | `HTTPS_PROXY`, `NO_PROXY` | as usual |
  | `HEX_CACERTS_PATH` | a file of certificate authorities to trust instead of the system's |

  If `TARGET_ARCH` is set, as Nerves does, the platform is that of `TARGET_ARCH`, `TARGET_OS` and `TARGET_ABI`. The task then never
  installs a library for this machine: without a ready-made library for that platform, its error lists the variables to set.
  """

  use Mix.Task.Compiler

  alias Mix.Tasks.Compile.BoundedNative.{Cargo, Release, Target, Trial}

  @crate "bounded_nif"

  @impl true
  def run(args) do
    given = System.get_env("BOUNDED_NIF")
    build? = System.get_env("BOUNDED_BUILD") in ["1", "true"]
    if given == "" or (given == nil and build?), do: forget()

    case Target.detect() do
      {:ok, target} -> run(given, build?, target, args)
      {:error, message} -> failed([], message)
    end
  end

  defp run(given, _, target, _) when given not in [nil, ""], do: install_given(given, target)

  defp run(_, build?, target, args) do
    release = unless build?, do: Release.find(File.cwd!(), version(), target.triple)

    case remembered() do
      {:given, path} -> install_again(path, target)
      _ when release == nil -> build(target, args)
      state -> install_release(release, state, target)
    end
  end

  @impl true
  def clean do
    # Mix has removed the modules of this project by now, except this one.
    given = remembered()
    forget()
    File.rm_rf!(directory())

    # Without Cargo there are no build products of Cargo to remove.
    cargo = System.find_executable("cargo")
    built? = System.get_env("BOUNDED_NIF") in [nil, ""] and given == nil
    if cargo && built?, do: System.cmd(cargo, clean_args(), stderr_to_stdout: true)
    :ok
  end

  # Unlike `cargo build`, `cargo clean` does not read this variable.
  defp clean_args do
    target = System.get_env("CARGO_BUILD_TARGET")
    target = if target in [nil, ""], do: [], else: ["--target", target]
    ["clean", "--package", @crate, "--package", "bounded_core"] ++ target ++ profile()
  end

  ## The library of BOUNDED_NIF

  # A dependency is compiled in its own directory, where a relative path would be another file.
  defp install_given(path, target) do
    if Path.type(path) == :absolute and File.regular?(path),
      do: path |> File.read!() |> install_tried("BOUNDED_NIF is #{path}", {:given, path}, target),
      else:
        failed([], "BOUNDED_NIF is #{inspect(path)}, which is not the absolute path of a file.\n")
  end

  # If the file existed for one call only, as in the build of an image, the installed library stays.
  defp install_again(path, target) do
    cond do
      File.regular?(path) ->
        install_given(path, target)

      File.regular?(installed()) ->
        {:noop, []}

      true ->
        failed([], """
        BOUNDED_NIF was last set to #{inspect(path)}, which no longer exists. Set it to the absolute path of a library,
        or to nothing (BOUNDED_NIF=) to forget that path.
        """)
    end
  end

  ## The library of a release

  defp install_release({archive, sha256}, state, target) do
    if state == {:release, sha256} and File.regular?(installed()),
      do: {:noop, []},
      else: fetch_release(archive, sha256, target)
  end

  defp fetch_release(archive, sha256, target) do
    url = System.get_env("BOUNDED_RELEASE_URL") || Mix.Project.config()[:release_url]

    case Release.fetch(archive, sha256, url, Release.cache()) do
      {:ok, content} -> install_tried(content, archive, {:release, sha256}, target)
      {:error, message} -> failed([], message)
    end
  end

  ## Cargo

  defp build(%{cargo?: false, triple: triple}, _), do: failed([], Target.advice(triple))

  defp build(_, args) do
    forget()
    command = ["build", "--package", @crate, "--message-format=json-render-diagnostics"]

    case Cargo.run(command ++ features() ++ profile()) do
      :missing -> failed([], Cargo.advice(:missing))
      {:ok, 0, output} -> built(output, "--warnings-as-errors" in args)
      {:ok, _, output} -> failed(Cargo.diagnostics(output), Cargo.advice(output))
    end
  end

  defp built(output, strict?) do
    findings = Cargo.diagnostics(output)

    case Cargo.library(output, @crate) do
      {:ok, _} when strict? and findings != [] -> {:error, findings}
      {:ok, library} -> {library |> File.read!() |> install(Path.extname(library)), findings}
      :error -> failed(findings, "Cargo built #{@crate} but named no dynamic library.\n")
    end
  end

  # The tests of this project measure the CPU time of each call, and have reservations refused.
  defp features, do: if(Mix.env() == :test, do: ["--features", "measure,faults"], else: [])

  defp profile, do: if(Mix.env() == :prod, do: ["--release", "--locked"], else: [])

  ## Installing

  defp install_tried(content, name, state, target) do
    case if(File.read(installed()) != {:ok, content}, do: try_out(content, target), else: :ok) do
      :ok ->
        result = install(content, extension())
        remember(state)
        {result, []}

      {:error, reason} ->
        failed(
          [],
          "#{name}, but that is no library of Bounded #{version()} for this build: #{reason}\n"
        )
    end
  end

  defp try_out(content, %{host?: true}),
    do: Trial.load(content, Mix.Project.compile_path(), Mix.Project.manifest_path())

  defp try_out(content, %{triple: triple}), do: Trial.inspect_header(content, triple)

  # Compared by content: sizes and times of two builds within a second, or from a store that sets all
  # times to 1970, are the same. A running VM may have the old library mapped: it is replaced, never
  # written into.
  defp install(content, extension) do
    target = Path.rootname(installed()) <> if(extension == ".dll", do: ".dll", else: ".so")

    if File.read(target) == {:ok, content} do
      :noop
    else
      File.mkdir_p!(directory())
      File.write!(target <> ".new", content)
      File.rename!(target <> ".new", target)
      :ok
    end
  end

  defp failed(findings, nil), do: {:error, findings}

  defp failed(findings, message) do
    Mix.shell().error(message)
    {:error, findings ++ [Cargo.diagnostic("error", message)]}
  end

  ## What was installed last: `{:given, path}`, `{:release, sha256}`, or `nil` after a build

  defp remembered do
    case File.read(state_file()) do
      {:ok, "given " <> path} -> {:given, path}
      {:ok, "release " <> sha256} -> {:release, sha256}
      _ -> nil
    end
  end

  defp remember({kind, value}) do
    content = "#{kind} #{value}"

    if File.read(state_file()) != {:ok, content} do
      File.mkdir_p!(Path.dirname(state_file()))
      File.write!(state_file(), content)
    end
  end

  defp forget, do: File.rm(state_file())

  defp state_file, do: Path.join(Mix.Project.manifest_path(), "compile.bounded_native")

  # `load_nif` adds `.dll` on Windows and `.so` everywhere else, on macOS too.
  defp extension, do: if(match?({:win32, _}, :os.type()), do: ".dll", else: ".so")

  defp installed, do: Path.join(directory(), @crate <> extension())

  defp directory, do: Path.join([Mix.Project.app_path(), "priv", "native"])

  defp version, do: Mix.Project.config()[:version]
end
