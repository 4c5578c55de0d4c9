defmodule Mix.Tasks.Compile.BoundedNativeTest do
  # Builds in other projects: alone on the machine, and only in `bin/test`.
  use ExUnit.Case, async: false

  import Bounded.Test.Packages

  @moduletag :build
  @moduletag :tmp_dir
  @moduletag timeout: 600_000

  @project File.cwd!()

  # Each holds a whole build.
  setup %{tmp_dir: dir}, do: on_exit(fn -> File.rm_rf!(dir) end)

  test "a path dependency builds, and a release of the dependent runs", %{tmp_dir: dir} do
    write(dir, "mix.exs", """
    defmodule Dependent.MixProject do
      use Mix.Project

      def project do
        [app: :dependent, version: "1.0.0", deps: [{:bounded, path: #{inspect(@project)}}]]
      end
    end
    """)

    write(dir, "lib/dependent.ex", """
    defmodule Dependent do
      def run do
        IO.puts(BoundedBinary.copy("it runs in \#{:code.priv_dir(:bounded)}"))
      end
    end
    """)

    assert mix!(dir, ~w(compile), dev()) =~ "Generated dependent app"
    assert mix!(dir, ~w(run -e Dependent.run), dev()) =~ "it runs in #{dir}/_build/dev"

    # A second look at an unchanged dependency says nothing.
    assert mix!(dir, ~w(compile), dev()) == ""

    library = Path.join(dir, "_build/dev/lib/bounded/priv/native/bounded_nif.so")
    File.rm!(library)
    mix!(dir, ~w(deps.compile bounded --force), dev())
    assert File.regular?(library)

    mix!(dir, ~w(release --quiet), prod())
    release = Path.join(dir, "_build/prod/rel/dependent")
    {output, status} = System.cmd(Path.join(release, "bin/dependent"), ~w(eval Dependent.run))
    assert {status, output =~ "it runs in #{release}/lib/bounded"} == {0, true}
  end

  test "builds from the package's files alone, where Cargo is told to; cleans; reports", %{
    tmp_dir: dir
  } do
    copy(dir)
    [_, triple] = Regex.run(~r/host: (\S+)/, elem(System.cmd("rustc", ["-vV"]), 0))
    target = Path.join(dir, "elsewhere")

    # What was fetched for this project is all there is to fetch.
    env =
      dev() ++
        quick() ++
        [
          {"CARGO_TARGET_DIR", target},
          {"CARGO_BUILD_TARGET", triple},
          {"CARGO_NET_OFFLINE", "true"}
        ]

    installed = Path.join(dir, "_build/dev/lib/bounded/priv/native/bounded_nif.so")
    built = Path.join([target, triple, "debug", "libbounded_nif.so"])

    assert mix!(dir, ~w(compile --warnings-as-errors), env) =~ "Compiling bounded_nif"
    assert File.read!(installed) == File.read!(built)
    refute File.exists?(Path.join(dir, "target"))

    assert mix!(
             dir,
             ["run", "-e", "IO.puts(Quota.run(Quota.mib(1), fn -> :first_quota end))"],
             env
           ) =~ "first_quota"

    before = File.stat!(installed)
    assert mix!(dir, ~w(compile), env) == ""
    assert File.stat!(installed).inode == before.inode

    source = Path.join(dir, "native/nif/src/lib.rs")
    good = File.read!(source)
    File.write!(source, good <> "fn unused() {}\n")
    assert mix!(dir, ~w(compile), env) =~ "function `unused` is never used"
    assert {output, 1} = mix(dir, ~w(compile --warnings-as-errors), env)
    assert output =~ "native/nif/src/lib.rs"

    File.write!(source, good <> "fn wrong() -> u8 { \"text\" }\n")
    assert {output, 1} = mix(dir, ~w(compile), env)
    assert output =~ "mismatched types"

    File.write!(
      source,
      good <> "#[unsafe(no_mangle)]\npub extern \"C\" fn bounded_another() {}\n"
    )

    mix!(dir, ~w(compile), env)
    # Replaced, not written into: a VM may have the old one mapped.
    assert File.stat!(installed).inode != before.inode

    mix!(dir, ~w(clean), env)
    refute File.exists?(installed)
    refute File.exists?(built)
  end

  defp dev, do: environment("dev")

  # Nothing here depends on how well Rust optimises: without, building takes half of the time.
  defp quick do
    profile = %{"OPT_LEVEL" => "0", "DEBUG" => "0", "INCREMENTAL" => "false"}
    for {name, value} <- profile, do: {"CARGO_PROFILE_DEV_" <> name, value}
  end

  defp prod do
    environment("prod") ++
      [{"CARGO_PROFILE_RELEASE_LTO", "off"}, {"CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"}]
  end

  defp write(dir, file, content) do
    path = Path.join(dir, file)
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, content)
  end
end
