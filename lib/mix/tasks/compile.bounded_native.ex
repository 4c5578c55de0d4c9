defmodule Mix.Tasks.Compile.BoundedNative do
  @moduledoc false
  use Mix.Task.Compiler

  @impl true
  def run(_args) do
    profile = if Mix.env() == :prod, do: ["--release", "--locked"], else: []

    {_, 0} =
      System.cmd("cargo", ["build", "--package", "bounded_nif" | profile], into: IO.stream())

    target = if Mix.env() == :prod, do: "release", else: "debug"
    directory = Path.join([Mix.Project.app_path(), "priv", "native"])
    File.mkdir_p!(directory)
    File.cp!("target/#{target}/libbounded_nif.so", Path.join(directory, "bounded_nif.so.new"))

    File.rename!(
      Path.join(directory, "bounded_nif.so.new"),
      Path.join(directory, "bounded_nif.so")
    )

    {:ok, []}
  end
end
