defmodule Bench.Contenders.WriteSpeed do
  @moduledoc false
  # Writers without terms: a program of the workspace that measures itself.

  alias Bench.Contenders.Program

  def available?, do: Program.built?("write_speed")

  @doc "Writes the file's content the given number of times; returns what `Bench.Measure.run/3` returns, `counted` in bytes."
  def measure(writer, path, times) do
    writer = if writer == :native, do: "bounded", else: "quick_xml"
    [bytes, cpu_ns] = Program.figures("write_speed", [writer, path, Integer.to_string(times)])
    %{counted: bytes, cpu_ms: cpu_ns / times / 1.0e6}
  end
end

defmodule Bench.Contenders.Program do
  @moduledoc false
  # An example of the workspace's core.

  @root Path.expand("../../../..", __DIR__)

  @doc "Builds it; whether that could be done."
  def built?(example) do
    arguments = ~w(build --quiet --release --package bounded_core --example) ++ [example]

    System.find_executable("cargo") != nil and
      match?({_, 0}, System.cmd("cargo", arguments, cd: @root, into: IO.stream(:stdio, :line)))
  end

  @doc "The numbers that it prints."
  def figures(example, arguments) do
    program = Path.join([@root, "target/release/examples", example])

    case System.cmd(program, arguments, stderr_to_stdout: true) do
      {figures, 0} -> figures |> String.split() |> Enum.map(&String.to_integer/1)
      {reason, _status} -> raise "#{example}: #{reason}"
    end
  end
end
