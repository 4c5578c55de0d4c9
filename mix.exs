defmodule Bounded.MixProject do
  use Mix.Project

  @version "0.1.0"
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
      package: package(),
      source_url: @source_url,
      # Where the compiler finds the libraries that `bin/release` built for this version.
      release_url: "#{@source_url}/releases/download/v#{@version}"
    ] ++ undeclared()
  end

  # Optional at run time, and what only a build needs of OTP. Elixir before 1.19 reads the first option alone, and later ones
  # deprecate it.
  defp undeclared do
    modules = [:telemetry, :crypto, :httpc, :inets, :public_key, :ssl]

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

  defp package do
    [
      licenses: ["Apache-2.0"],
      files:
        ~w(lib .cargo native/core native/nif Cargo.toml Cargo.lock checksums.sha256 mix.exs .formatter.exs) ++
          ~w(README.md LICENSE CHANGELOG.md CONTRIBUTING.md guides),
      links: %{
        "Changelog" => "#{@source_url}/blob/v#{@version}/CHANGELOG.md",
        "GitHub" => @source_url
      }
    ]
  end
end
