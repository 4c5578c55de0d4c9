defmodule Mix.Tasks.Bounded.DoctorTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias Mix.Tasks.Bounded.Doctor

  test "prints a report on this VM" do
    report = capture_io(fn -> Doctor.run([]) end)
    assert report =~ "Memory of #{node()}"
    assert report =~ ~r/^physical memory +\d/m
  end

  test "refuses what it does not know" do
    assert_raise OptionParser.ParseError, ~r/--nod/, fn -> Doctor.run(["--nod", "a"]) end
    assert_raise Mix.Error, ~r/options only, got: app@host/, fn -> Doctor.run(["app@host"]) end
  end
end
