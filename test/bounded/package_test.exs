defmodule Bounded.PackageTest do
  # What a published package is made of. That it builds, and runs a quota, alone: test/mix/tasks.
  use ExUnit.Case, async: true

  import Bounded.Test.Packages

  @moduletag :tmp_dir
  @moduletag timeout: 300_000

  @documents ~w(README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md examples/README.md) ++
               Path.wildcard("guides/*.{md,livemd,cheatmd}")

  # Of Markdown, and of the pictures that are HTML.
  @link ~r/\]\(([^)\s#]+)|(?:src|srcset|href)="([^"#]+)/

  test "has what is built and read, and nothing that was built or tests", %{tmp_dir: dir} do
    copy(dir)
    files = dir |> Path.join("**") |> Path.wildcard(match_dot: true) |> Enum.reject(&File.dir?/1)
    names = Enum.map(files, &Path.relative_to(&1, dir))

    for needed <-
          ~w(mix.exs .formatter.exs .cargo/config.toml Cargo.lock README.md LICENSE CHANGELOG.md
                     lib/quota.ex native/core/src/lib.rs native/nif/src/lib.rs guides/architecture.md),
        do: assert(needed in names)

    refute Enum.any?(
             names,
             &(&1 =~ ~r{(^|/)(target|_build|deps|test|bench|demo|fuzz)/} and
                 not (&1 =~ ~r{^native/core/}))
           )

    refute Enum.any?(names, &(&1 =~ ~r/\.(so|dylib|dll|beam|rlib|log)$/))
  end

  test "what its documents link to is in it, or on the web", %{tmp_dir: dir} do
    copy(dir)

    links =
      for document <- @documents,
          [_ | found] <- Regex.scan(@link, File.read!(document)),
          link = List.last(found),
          not String.starts_with?(link, "https://"),
          do: {document, link}

    assert {"README.md", "guides/images/speed-dark.svg"} in links
    assert {"README.md", "guides/first_limit.livemd"} in links

    for {document, link} <- links do
      assert File.exists?(Path.join([dir, Path.dirname(document), link])),
             "#{document} links to #{link}"
    end
  end

  test "has a formatter's configuration that a dependent can import", %{tmp_dir: dir} do
    copy(dir)
    {config, _} = dir |> Path.join(".formatter.exs") |> Code.eval_file()
    assert [locals_without_parens: functions] = config[:export]
    assert is_list(functions)
  end

  test "says where it comes from" do
    config = Mix.Project.config()
    assert "https://" <> _ = config[:source_url]

    assert config[:package][:links]
           |> Map.values()
           |> Enum.all?(&String.starts_with?(&1, config[:source_url]))

    assert config[:release_url] == "#{config[:source_url]}/releases/download/v#{config[:version]}"
    assert File.read!("CHANGELOG.md") =~ "## #{config[:version]}"
    assert File.read!("README.md") =~ ~s({:bounded, git: "#{config[:source_url]}.git"})
  end

  describe "optional libraries" do
    test "are dependencies where Hex is loaded, all optional, and none without Hex", %{
      tmp_dir: dir
    } do
      print = ~S|IO.inspect(Bounded.MixProject.project()[:deps])|
      fake = Path.join(dir, "hex.exs")
      File.write!(fake, "defmodule Hex do\nend")
      # A project that is not pushed: `mix.exs` evaluated alone.
      run = fn required ->
        arguments = required ++ ["-r", "mix.exs", "-e", print]

        {output, 0} =
          System.cmd("elixir", ["-e", "Mix.start()" | arguments], stderr_to_stdout: true)

        output
      end

      assert run.([]) == "[]\n"
      {deps, _} = run.(["-r", fake]) |> Code.eval_string()

      assert [:phoenix_live_dashboard, :plug, :telemetry] ==
               deps |> Enum.map(&elem(&1, 0)) |> Enum.sort()

      assert Enum.all?(deps, fn {_, _, options} -> options == [optional: true] end)
    end

    @tag :build
    test "cause no warning in a project that has one, and events go to it", %{tmp_dir: dir} do
      write(dir, "telemetry/mix.exs", project("Telemetry", :telemetry, []))

      write(dir, "telemetry/lib/telemetry.ex", """
      defmodule :telemetry do
        def attach_many(_, _, _, _), do: :ok
        def execute(event, _, _), do: IO.inspect(event)
      end
      """)

      deps = [{:telemetry, path: Path.join(dir, "telemetry")}, {:bounded, path: File.cwd!()}]
      app = Path.join(dir, "app")
      write(app, "mix.exs", project("App", :app, deps))
      library = Application.app_dir(:bounded, "priv/native/bounded_nif.so")
      env = environment("dev") ++ [{"BOUNDED_NIF", library}]
      output = mix!(app, ~w(compile), env)
      assert output =~ "Generated bounded app"
      refute output =~ ~r/warning/i

      run = [
        "run",
        "-e",
        # As the library's application does.
        "Process.register(self(), :telemetry_handler_table); :telemetry.module_info(); " <>
          "Quota.run(Quota.mib(1), fn -> :done end)"
      ]

      assert mix!(app, run, env) =~ "[:bounded, :quota, :run, :stop]"
    end
  end

  defp project(module, app, deps) do
    """
    defmodule #{module}.MixProject do
      use Mix.Project
      def project, do: [app: #{inspect(app)}, version: "1.0.0", deps: #{inspect(deps)}]
    end
    """
  end

  defp write(dir, file, content) do
    path = Path.join(dir, file)
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, content)
  end
end
