defmodule Bounded.MixProject do
  use Mix.Project

  @version "0.1.0"
  # The one place to change when the project moves: a test holds README.md to it.
  @source_url "https://github.com/bounded-beam/bounded"

  def project do
    [
      app: :bounded,
      version: @version,
      elixir: "~> 1.14",
      description: "Bounded-memory primitives: one request that balloons fails, the node lives",
      compilers: Mix.compilers() ++ [:bounded_native],
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: optional_deps(),
      # Tests use web servers, and `bin/docs` uses ExDoc, which are no dependencies, where `ERL_LIBS` has them.
      prune_code_paths: Mix.env() not in [:test, :docs],
      package: package(),
      name: "Bounded",
      source_url: @source_url,
      docs: docs(),
      # Stubs that the native library replaces, and what only tests use.
      test_coverage: [
        # Other VMs count too: test/support/cover.ex.
        local_only: false,
        summary: [threshold: 95],
        ignore_modules: [
          Bounded.Native,
          ~r/^(Enumerable\.)?Bounded\.Test\./,
          Bounded.HTTPClient,
          Bounded.PlugServers
        ]
      ],
      # Where the compiler finds the libraries that `bin/release` built for this version.
      release_url: "#{@source_url}/releases/download/v#{@version}"
    ] ++ undeclared()
  end

  # Optional at run time, and what only a build needs of OTP. Elixir before 1.19 reads the first option alone, and later ones
  # deprecate it.
  defp undeclared do
    modules = [:telemetry, :crypto, :httpc, :inets, :public_key, :ssl, :cover]

    if Version.match?(System.version(), "< 1.19.0-dev"),
      do: [xref: [exclude: modules]],
      else: [elixirc_options: [no_warn_undefined: modules]]
  end

  def application do
    [extra_applications: [:logger]]
  end

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  # No dependency that you must take. Where a project has one of these, Mix compiles it first. Without Hex there is
  # nothing to get them with; whoever has one then, by path or git, has it at run time all the same.
  defp optional_deps do
    if Code.ensure_loaded?(Hex) do
      [
        {:telemetry, "~> 1.0", optional: true},
        {:plug, "~> 1.14", optional: true},
        {:phoenix_live_dashboard, "~> 0.8", optional: true}
      ]
    else
      []
    end
  end

  # The site that `bin/docs` builds. Guides that are not listed follow those that are.
  defp docs do
    guides =
      ~w(my_node_dies installing choosing_limits routes jobs_and_sockets pools cluster xml_recipes migrating kubernetes testing) ++
        ~w(errors finding_a_leak doctor watchdog telemetry) ++
        ~w(memory_model performance reliability faults_found architecture dependencies design_notes)

    [
      main: "readme",
      source_ref: "v#{@version}",
      logo: "guides/images/logo.svg",
      favicon: "guides/images/logo.svg",
      # The lines of LICENSE are wider than a telephone.
      before_closing_head_tag: %{html: "<style>pre { overflow-x: auto; }</style>"},
      # Of guides, and of README.md: the pages are side by side in the site.
      assets: %{"guides/images" => "images", "./guides/images" => "guides/images"},
      skip_undefined_reference_warnings_on: [
        # For contributors, and of what was there before.
        "guides/architecture.md",
        "guides/design_notes.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md"
      ],
      extras:
        ["README.md"] ++
          Enum.uniq(
            for(guide <- guides, path = "guides/#{guide}.md", File.exists?(path), do: path) ++
              Path.wildcard("guides/*.md")
          ) ++
          ["guides/cheatsheet.cheatmd"] ++
          Enum.uniq(["guides/first_limit.livemd" | Path.wildcard("guides/*.livemd")]) ++
          [{:"examples/README.md", filename: "recipes", title: "Recipes"}] ++
          ["CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "LICENSE"],
      groups_for_extras: [
        "Start here": ~r"guides/(my_node_dies|installing|choosing_limits|cheatsheet)",
        "How to":
          ~r"(guides/(routes|jobs_and_sockets|pools|cluster|xml_recipes|migrating|kubernetes|testing)|examples/)",
        Livebooks: ~r"\.livemd",
        "On call": ~r"guides/(finding_a_leak|doctor|watchdog|telemetry|errors)",
        "How it works":
          ~r"guides/(memory_model|performance|reliability|faults_found|architecture|dependencies|design_notes)",
        "The project": ~r"^(CHANGELOG|SECURITY|CONTRIBUTING|LICENSE)"
      ],
      groups_for_modules: [
        Limits: [Quota, Quota.Plug, Quota.Usage, Quota.Telemetry],
        "The node": [
          Quota.Pool,
          Quota.Pressure,
          ~r/^Quota\.(Cluster|Watchdog)/,
          ~r/^Bounded\.(Doctor|Dashboard)/
        ],
        XML: ~r/^BoundedXml(?!.*Error)/,
        Binaries: ~r/^BoundedBinary(?!.*Error)/,
        Errors: ~r/Error$/
      ]
    ]
  end

  defp package do
    [
      licenses: ["Apache-2.0"],
      files:
        ~w(lib .cargo native/core native/nif Cargo.toml Cargo.lock checksums.sha256 mix.exs .formatter.exs) ++
          ~w(README.md LICENSE CHANGELOG.md CONTRIBUTING.md SECURITY.md guides examples),
      links: %{
        "Changelog" => "#{@source_url}/blob/v#{@version}/CHANGELOG.md",
        "GitHub" => @source_url
      }
    ]
  end
end
