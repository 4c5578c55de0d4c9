defmodule Bounded.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :bounded,
      version: @version,
      elixir: "~> 1.14",
      description: "Bounded-memory primitives: one request that balloons fails, the node lives",
      compilers: Mix.compilers() ++ [:bounded_native],
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: [],
      package: package()
    ]
  end

  def application do
    [extra_applications: [:logger]]
  end

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  defp package do
    [
      licenses: ["Apache-2.0"],
      files:
        ~w(lib .cargo native/core native/nif Cargo.toml Cargo.lock mix.exs README.md LICENSE CHANGELOG.md guides),
      links: %{}
    ]
  end
end
