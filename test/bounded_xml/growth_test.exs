defmodule BoundedXml.GrowthTest do
  # A value that grows until its limit is reached moves into larger and larger blocks. The allocator keeps those that it has left for
  # a second: half as much again.
  use ExUnit.Case, async: true

  @times 1.7

  # In a VM of its own: how much of the memory of this one is the parser's?
  @script """
  limit = Quota.mib(64)
  part = String.duplicate("y", 30_000)
  text = Stream.concat(["<r>"], Stream.repeatedly(fn -> part end))
  options = [text: :joined, max_text_bytes: 1_073_741_824]
  work = fn -> text |> BoundedXml.stream(options) |> Enum.to_list() |> length() end

  resident = fn key ->
    [_, kilobytes] = Regex.run(~r/\#{key}:\\s+(\\d+)/, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end

  {:error, %Quota.ExceededError{}} = Quota.try_run(Quota.mib(1), work)
  Enum.each(Process.list(), &:erlang.garbage_collect/1)
  File.write!("/proc/self/clear_refs", "5")
  before = resident.("VmRSS")
  {:error, %Quota.ExceededError{category: :native}} = Quota.try_run(limit, work)
  IO.write((resident.("VmHWM") - before) / limit)
  """

  @tag :native_speed
  @tag skip: not File.exists?("/proc/self/clear_refs")
  test "at its peak it takes its limit and the blocks that it has left" do
    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    {output, 0} = System.cmd("elixir", paths ++ ["-e", @script], stderr_to_stdout: true)
    assert String.to_float(output) < @times
  end
end
