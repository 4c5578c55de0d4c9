defmodule Mix.Tasks.Compile.BoundedNative.InstallTest do
  # What the compiler does in a project that has nothing but its name, with a Cargo that only says what it was told to.
  use ExUnit.Case, async: false

  alias Bounded.Test.ReleaseServer
  alias Mix.Tasks.Compile.BoundedNative
  alias Mix.Tasks.Compile.BoundedNative.{Release, Target}

  @moduletag :tmp_dir
  @version Mix.Project.config()[:version]
  @variables ~w(BOUNDED_NIF BOUNDED_BUILD BOUNDED_RELEASE_URL BOUNDED_CACHE_DIR HEX_CACERTS_PATH NO_PROXY CARGO_HOME) ++
               ~w(CARGO_BUILD_TARGET TARGET_ARCH TARGET_OS TARGET_ABI PATH)

  setup %{tmp_dir: dir} do
    before = System.get_env()
    Mix.shell(Mix.Shell.Process)

    on_exit(fn ->
      Mix.shell(Mix.Shell.IO)
      for name <- @variables, do: set(name, before[name])
      File.rm_rf!(dir)
    end)

    for name <- @variables -- ["PATH"], do: System.delete_env(name)
    set("CARGO_HOME", Path.join(dir, "none"))
    set("PATH", Bounded.Test.Packages.path_without("cargo", dir))

    project = Path.join(dir, "project")
    ebin = Path.join(project, "_build/test/lib/bounded/ebin")
    File.mkdir_p!(ebin)
    beam = "Elixir.Bounded.Native.beam"
    File.cp!(Application.app_dir(:bounded, "ebin/#{beam}"), Path.join(ebin, beam))

    File.write!(Path.join(project, "mix.exs"), """
    defmodule Bounded.Test.InstallProject do
      use Mix.Project
      def project, do: [app: :bounded, version: "#{@version}", release_url: "https://localhost:1"]
    end
    """)

    library = Path.join(dir, "given.so")
    File.cp!(Application.app_dir(:bounded, "priv/native/bounded_nif.so"), library)
    installed = Path.join(project, "_build/test/lib/bounded/priv/native/bounded_nif.so")
    {:ok, project: project, library: library, installed: installed}
  end

  defp set(name, nil), do: System.delete_env(name)
  defp set(name, value), do: System.put_env(name, value)

  defp run(project, args \\ []), do: inside(project, fn -> BoundedNative.run(args) end)

  defp inside(project, fun),
    do: Mix.Project.in_project(:bounded, project, [], fn _module -> fun.() end)

  # Runs it to fail: what it says.
  defp fails(project, args \\ []) do
    assert {:error, [_ | _]} = run(project, args)
    assert_received {:mix_shell, :error, [message]}
    message
  end

  # A program that keeps its arguments, prints `output` and ends with `status`.
  defp cargo(directory, output, status) do
    File.mkdir_p!(directory)
    File.write!(Path.join(directory, "output"), output)
    path = Path.join(directory, "cargo")

    File.write!(path, """
    #!/bin/sh
    echo "$*" > #{directory}/arguments
    cat #{directory}/output
    exit #{status}
    """)

    File.chmod!(path, 0o755)
  end

  defp arguments(directory), do: directory |> Path.join("arguments") |> File.read!()

  defp artifact(path),
    do:
      ~s({"reason":"compiler-artifact","target":{"crate_types":["cdylib"],"name":"bounded_nif"},"filenames":["#{path}"]}\n)

  test "a library given by its path is installed and remembered, as long as one of the two is there",
       %{project: project, library: library, installed: installed} do
    set("BOUNDED_NIF", library)
    assert run(project) == {:ok, []}
    assert File.read!(installed) == File.read!(library)
    assert run(project) == {:noop, []}

    System.delete_env("BOUNDED_NIF")
    assert run(project) == {:noop, []}
    File.rm!(installed)
    assert run(project) == {:ok, []}
    File.rm!(library)
    assert run(project) == {:noop, []}
    File.rm!(installed)
    assert fails(project) =~ ~s(BOUNDED_NIF was last set to "#{library}", which no longer exists)
  end

  test "set to nothing, or to build, it is forgotten", context do
    %{project: project, library: library} = context

    for forgetting <- [fn -> set("BOUNDED_NIF", "") end, fn -> set("BOUNDED_BUILD", "1") end] do
      set("BOUNDED_NIF", library)
      assert {_, []} = run(project)
      System.delete_env("BOUNDED_NIF")
      forgetting.()
      assert fails(project) =~ "there is no `cargo` in PATH"
      System.delete_env("BOUNDED_BUILD")
    end
  end

  test "a relative path, and what is no library, are refused", context do
    %{project: project, tmp_dir: dir, installed: installed} = context
    set("BOUNDED_NIF", "given.so")
    assert fails(project) =~ ~s("given.so", which is not the absolute path of a file)

    junk = Path.join(dir, "junk.so")
    File.write!(junk, "junk")
    set("BOUNDED_NIF", junk)
    assert fails(project) =~ "is #{junk}, but that is no library of Bounded #{@version}"
    refute File.exists?(installed)
  end

  test "what Cargo builds is installed, and its warnings are errors where they are to be",
       context do
    %{project: project, tmp_dir: dir, library: library, installed: installed} = context
    home = Path.join(dir, "home")
    # Beside PATH, where rustup puts it.
    set("CARGO_HOME", home)
    bin = Path.join(home, "bin")
    warning = "warning: unused variable: `x`\n --> native/core/src/quota.rs:12:9\n"

    output =
      "   Compiling bounded_nif\n#{warning}#{artifact(library)}    Finished `dev` profile\n"

    cargo(bin, output, 0)

    assert {:error, [%{severity: :warning}]} = run(project, ["--warnings-as-errors"])
    refute File.exists?(installed)

    assert {:ok, [%{severity: :warning, message: "unused variable: `x`"}]} = run(project)
    assert File.read!(installed) == File.read!(library)
    assert arguments(bin) =~ "build --package bounded_nif"
    assert {:noop, [_]} = run(project)

    # What it says is shown, but for its messages to tools and the end of a build without changes.
    assert_received {:mix_shell, :info, ["   Compiling bounded_nif"]}
    refute_received {:mix_shell, :info, ["    Finished" <> _]}
    refute_received {:mix_shell, :info, ["{" <> _]}
  end

  test "a build that fails says why, and what to install", context do
    %{project: project, tmp_dir: dir} = context
    home = Path.join(dir, "home")
    set("CARGO_HOME", home)

    cargo(
      Path.join(home, "bin"),
      "error[E0308]: mismatched types\n --> native/nif/src/lib.rs:3:17\n",
      101
    )

    assert {:error, [%{message: "mismatched types", position: {3, 17, 3, 17}}]} = run(project)
    refute_received {:mix_shell, :error, _}

    cargo(Path.join(home, "bin"), "error: linker `cc` not found\n", 101)
    assert fails(project) =~ "apt-get install gcc"

    # A line longer than a port delivers at once.
    cargo(Path.join(home, "bin"), String.duplicate("x", 70_000) <> "\n", 0)
    assert fails(project) =~ "Cargo built bounded_nif but named no dynamic library"
    assert_received {:mix_shell, :info, ["xxx" <> _ = line]}
    assert byte_size(line) == 70_000
  end

  test "a build for another machine says which variables to set, and takes no library of this one",
       %{project: project, library: library} do
    {:ok, %{triple: triple}} = Target.detect(%{})
    other = if triple =~ "aarch64", do: "x86_64", else: "aarch64"
    set("TARGET_ARCH", other)
    assert fails(project) =~ "CARGO_BUILD_TARGET=#{other}-unknown-linux-gnu"
    set("BOUNDED_NIF", library)
    assert fails(project) =~ "it is for another processor than #{other}"

    set("CARGO_BUILD_TARGET", triple)
    assert fails(project) =~ "CARGO_BUILD_TARGET is #{triple}, but TARGET_ARCH is #{other}"
  end

  test "a released library is downloaded once, checked and installed", context do
    %{project: project, tmp_dir: dir, library: library, installed: installed} = context
    {:ok, %{triple: triple}} = Target.detect(%{})
    archive = Release.archive(@version, triple)
    packed = Path.join(dir, archive)
    :ok = :erl_tar.create(packed, [{~c"lib.so", File.read!(library)}], [:compressed])
    sha256 = :crypto.hash(:sha256, File.read!(packed)) |> Base.encode16(case: :lower)
    server = ReleaseServer.start(dir, %{"/v1/#{archive}" => {200, File.read!(packed)}})

    set("BOUNDED_RELEASE_URL", server.url <> "/v1")
    set("BOUNDED_CACHE_DIR", Path.join(dir, "cache"))
    set("HEX_CACERTS_PATH", server.cacerts)
    set("NO_PROXY", "localhost")
    checksum = &File.write!(Path.join(project, "checksums.sha256"), "#{&1}  #{archive}\n")

    wrong = String.duplicate("0", 64)
    checksum.(wrong)
    message = fails(project)
    assert message =~ wrong and message =~ sha256
    refute File.exists?(installed)

    checksum.(sha256)
    assert run(project) == {:ok, []}
    assert run(project) == {:noop, []}

    # From the cache: nobody listens there.
    set("BOUNDED_RELEASE_URL", "https://localhost:1")
    File.rm!(installed)
    assert run(project) == {:ok, []}
    File.rm!(installed)
    File.rm_rf!(Path.join(dir, "cache"))
    assert fails(project) =~ "cannot be downloaded: no connection"
  end

  test "mix clean removes what was installed, and has Cargo remove what it built", context do
    %{project: project, tmp_dir: dir, library: library, installed: installed} = context
    bin = Path.join(dir, "bin")
    cargo(bin, "", 0)
    set("PATH", "#{bin}:" <> System.get_env("PATH"))

    set("BOUNDED_NIF", library)
    assert run(project) == {:ok, []}
    System.delete_env("BOUNDED_NIF")
    # What was given Cargo did not build.
    assert inside(project, &BoundedNative.clean/0) == :ok
    refute File.exists?(installed)
    refute File.exists?(Path.join(bin, "arguments"))

    set("CARGO_BUILD_TARGET", "aarch64-unknown-linux-gnu")
    assert inside(project, &BoundedNative.clean/0) == :ok
    assert arguments(bin) =~ "clean --package bounded_nif --package bounded_core --target aarch64"
  end
end
