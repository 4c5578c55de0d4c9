defmodule Mix.Tasks.Compile.BoundedNative.ReadyMadeTest do
  # Compiles the package elsewhere: only in `bin/test`.
  use ExUnit.Case, async: false

  import Bounded.Test.Packages

  alias Bounded.Test.ReleaseServer
  alias Mix.Tasks.Compile.BoundedNative.{Release, Target}

  @moduletag :build
  @moduletag :tmp_dir
  @moduletag timeout: 600_000

  @works ["run", "-e", "IO.puts(Quota.run(Quota.mib(1), fn -> :it_works end))"]

  # The package in `app`, and variables with which nothing but Cargo is missing.
  setup %{tmp_dir: dir} do
    on_exit(fn -> File.rm_rf!(dir) end)
    app = Path.join(dir, "app")
    copy(app)
    File.rm(Path.join(app, "checksums.sha256"))

    env =
      environment("dev") ++
        [{"PATH", path_without("cargo", dir)}, {"CARGO_HOME", Path.join(dir, "none")}]

    library = Path.join(dir, "given.so")
    File.cp!(Application.app_dir(:bounded, "priv/native/bounded_nif.so"), library)

    {:ok,
     app: app,
     env: env,
     library: library,
     installed: Path.join(app, "_build/dev/lib/bounded/priv/native/bounded_nif.so")}
  end

  test "BOUNDED_NIF needs no Cargo, and without either the error says what to install", %{
    app: app,
    env: env,
    library: library,
    installed: installed
  } do
    assert {output, 1} = mix(app, ~w(compile), env)
    assert output =~ "there is no `cargo` in PATH"
    assert output =~ "Install Rust"

    assert {output, 1} = mix(app, ~w(compile), env ++ [{"BOUNDED_NIF", "bounded_nif.so"}])
    assert output =~ ~s(BOUNDED_NIF is "bounded_nif.so", which is not the absolute path of a file)

    junk = Path.join(app, "junk.so")
    File.write!(junk, "junk")
    assert {output, 1} = mix(app, ~w(compile), env ++ [{"BOUNDED_NIF", junk}])
    assert output =~ "BOUNDED_NIF is #{junk}, but that is no library of Bounded"
    assert output =~ "Failed to load NIF library"
    refute File.exists?(installed)

    assert mix!(app, @works, env ++ [{"BOUNDED_NIF", library}]) =~ "it_works"
  end

  test "the path given last is remembered until it is set to nothing, to build, or cleaned", %{
    app: app,
    env: env,
    library: library,
    installed: installed
  } do
    given = env ++ [{"BOUNDED_NIF", library}]

    for forgetting <- [
          # Erlang would take an empty variable for one to remove.
          fn ->
            System.cmd("env", ~w(BOUNDED_NIF= mix compile),
              cd: app,
              env: env,
              stderr_to_stdout: true
            )
          end,
          fn -> mix(app, ~w(compile), env ++ [{"BOUNDED_BUILD", "1"}]) end,
          fn -> mix!(app, ~w(clean), env) && mix(app, ~w(compile), env) end
        ] do
      mix!(app, ~w(compile), given)
      assert mix!(app, ~w(compile), env) == ""
      assert mix!(app, @works, env) =~ "it_works"

      # As after `mix deps.clean --build` of something else: what was given is installed again.
      File.rm!(installed)
      assert mix!(app, @works, env) =~ "it_works"

      assert {output, 1} = forgetting.()
      assert output =~ "there is no `cargo` in PATH"
    end

    # A file of one call only: what was installed stays, until it is missed.
    mix!(app, ~w(compile), given)
    File.rm!(library)
    assert mix!(app, @works, env) =~ "it_works"
    File.rm!(installed)
    assert {output, 1} = mix(app, ~w(compile), env)
    assert output =~ ~s(BOUNDED_NIF was last set to "#{library}", which no longer exists)
  end

  test "an umbrella's applications share one, and a project without code of its own has it too",
       %{
         tmp_dir: dir,
         app: app,
         env: env,
         library: library
       } do
    umbrella = Path.join(dir, "umbrella")
    project(umbrella, "Umbrella", apps_path: "apps")
    dependency = [deps: [bounded: [path: app]]]

    for name <- [:one, :two] do
      shared = for(key <- [:build, :deps], do: {:"#{key}_path", "../../_#{key}"})
      options = [app: name, lockfile: "../../mix.lock"] ++ shared ++ dependency
      project(Path.join([umbrella, "apps", "#{name}"]), Macro.camelize("#{name}"), options)
    end

    given = env ++ [{"BOUNDED_NIF", library}]
    output = mix!(umbrella, ~w(compile), given)
    assert length(String.split(output, "Generated bounded app")) == 2
    assert mix!(umbrella, @works, env) =~ "it_works"
    assert mix!(Path.join(umbrella, "apps/two"), @works, env) =~ "it_works"

    alone = Path.join(dir, "alone")
    project(alone, "Alone", [app: :alone] ++ dependency)
    assert mix!(alone, @works, given) =~ "it_works"
  end

  test "a released library is downloaded, checked and kept", %{
    tmp_dir: dir,
    app: app,
    env: env,
    library: library
  } do
    {:ok, %{triple: triple}} = Target.detect(%{})
    archive = Release.archive(Mix.Project.config()[:version], triple)
    packed = Path.join(dir, archive)
    content = File.read!(library)
    :ok = :erl_tar.create(packed, [{~c"libbounded_nif.so", content}], [:compressed])
    sha256 = :crypto.hash(:sha256, File.read!(packed)) |> Base.encode16(case: :lower)
    server = ReleaseServer.start(dir, %{"/v1/#{archive}" => {200, File.read!(packed)}})
    write_checksum = &File.write!(Path.join(app, "checksums.sha256"), "#{&1}  #{archive}\n")

    env =
      env ++
        [
          {"BOUNDED_RELEASE_URL", server.url <> "/v1"},
          {"BOUNDED_CACHE_DIR", Path.join(dir, "cache")},
          {"HEX_CACERTS_PATH", server.cacerts},
          {"NO_PROXY", "localhost"}
        ]

    wrong = String.duplicate("0", 64)
    write_checksum.(wrong)
    assert {output, 1} = mix(app, ~w(compile), env)
    assert output =~ wrong and output =~ sha256

    write_checksum.(sha256)
    assert mix!(app, @works, env) =~ "it_works"
    assert mix!(app, ~w(compile), env) == ""

    # Without a network, and nothing installed any more.
    offline = env ++ [{"BOUNDED_RELEASE_URL", "https://localhost:1"}]
    mix!(app, ~w(clean), offline)
    assert mix!(app, @works, offline) =~ "it_works"
    mix!(app, ~w(clean), offline)
    File.rm_rf!(Path.join(dir, "cache"))
    assert {output, 1} = mix(app, ~w(compile), offline)
    assert output =~ "cannot be downloaded: no connection"

    assert {output, 1} = mix(app, ~w(compile), env ++ [{"BOUNDED_BUILD", "1"}])
    assert output =~ "there is no `cargo` in PATH"
  end

  test "this machine's library is never installed for another target", %{
    app: app,
    env: env,
    library: library,
    installed: installed
  } do
    {:ok, %{triple: triple}} = Target.detect(%{})
    [own | _] = String.split(triple, "-")
    other = if own == "aarch64", do: "x86_64", else: "aarch64"
    nerves = [{"TARGET_ARCH", other}, {"TARGET_OS", "linux"}, {"TARGET_ABI", "gnu"}]

    # With a Cargo that would build for this machine.
    assert {output, 1} = mix(app, ~w(compile), environment("dev") ++ nerves)
    assert output =~ "CARGO_BUILD_TARGET=#{other}-unknown-linux-gnu"

    assert {output, 1} = mix(app, ~w(compile), env ++ nerves ++ [{"BOUNDED_NIF", library}])
    assert output =~ "it is for another processor than #{other}-unknown-linux-gnu"
    refute File.exists?(installed)
  end

  defp project(dir, module, options) do
    File.mkdir_p!(dir)

    File.write!(Path.join(dir, "mix.exs"), """
    defmodule #{module}.MixProject do
      use Mix.Project
      def project, do: #{inspect([version: "1.0.0"] ++ options)}
    end
    """)
  end
end
