defmodule Bench.Contenders.QuickXml do
  @moduledoc false
  # Not in this VM: a program of the workspace that measures itself.

  alias Bench.Contenders.Program

  def available?, do: Program.built?("scan_speed")

  def wrap, do: :plain

  @doc "Parses the file `times` times; answers as `Bench.Measure.run/3`."
  def measure(path, times) do
    arguments = ["quick_xml", path, Integer.to_string(times)]
    [events, text_bytes, cpu_ns, wall_ns] = Program.figures("scan_speed", arguments)

    %{
      counted: {events, text_bytes},
      cpu_ms: cpu_ns / times / 1.0e6,
      wall_ms: wall_ns / times / 1.0e6
    }
  end
end
