defmodule BoundedBench.MixProject do
  use Mix.Project

  def project do
    [
      app: :bounded_bench,
      version: "0.1.0",
      elixir: "~> 1.14",
      # What measures calls, and the documents that are hard on them, serve the tests as well.
      elixirc_paths: ["lib" | support(Mix.env())],
      # A build for tests measures its calls.
      deps:
        [{:bounded, path: "..", env: if(Mix.env() == :test, do: :test, else: :prod)}] ++ rivals()
    ]
  end

  def application do
    [extra_applications: [:logger, :xmerl]]
  end

  # A build of the library for tests has them already.
  defp support(:test), do: []
  defp support(_env), do: [Path.expand("../test/support/calls", __DIR__)]

  # Without Hex, those that the system or ERL_LIBS has are measured.
  defp rivals do
    if Code.ensure_loaded?(Hex) do
      [
        {:benchee, "~> 1.3"},
        {:saxy, "~> 1.6"},
        {:fast_xml, "~> 1.1"},
        {:erlsom, "~> 1.5"},
        {:exml, "~> 4.1", hex: :hexml}
      ]
    else
      []
    end
  end
end
