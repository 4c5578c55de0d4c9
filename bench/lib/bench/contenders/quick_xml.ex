defmodule Bench.Contenders.QuickXml do
  @moduledoc false
  # Not in this VM: a program of the workspace that measures itself.

  @root Path.expand("../../../..", __DIR__)
  @program Path.join(@root, "target/release/examples/scan_speed")

  def available? do
    arguments = ~w(build --quiet --release --package bounded_core --example scan_speed)

    System.find_executable("cargo") != nil and
      match?({_, 0}, System.cmd("cargo", arguments, cd: @root, into: IO.stream(:stdio, :line)))
  end

  def wrap, do: :plain

  @doc "Parses the file so many times; answers as `Bench.Measure.run/3`."
  def measure(path, times) do
    case System.cmd(@program, ["quick_xml", path, Integer.to_string(times)],
           stderr_to_stdout: true
         ) do
      {figures, 0} ->
        [events, text_bytes, cpu_ns, wall_ns] =
          figures |> String.split() |> Enum.map(&String.to_integer/1)

        %{
          counted: {events, text_bytes},
          cpu_ms: cpu_ns / times / 1.0e6,
          wall_ms: wall_ns / times / 1.0e6
        }

      {reason, _status} ->
        raise "quick-xml: #{reason}"
    end
  end
end
