defmodule Mix.Tasks.Bounded.DoctorTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias Mix.Tasks.Bounded.Doctor

  defp report do
    Doctor.run([]) || :ok
  catch
    :exit, {:shutdown, status} -> status
  end

  test "prints a report on this VM" do
    # With a critical finding, which a busy machine may have, the task ends by an exit.
    report = capture_io(fn -> assert report() in [:ok, 2] end)

    assert report =~ "Memory of #{node()}"
    assert report =~ ~r/^physical memory +\d/m
  end

  test "refuses what it does not know" do
    assert_raise OptionParser.ParseError, ~r/--nod/, fn -> Doctor.run(["--nod", "a"]) end

    assert_raise Mix.Error, ~r/--format is text or json, got: xml/, fn ->
      Doctor.run(["--format", "xml"])
    end

    assert_raise Mix.Error, ~r/options only, got: app@host/, fn -> Doctor.run(["app@host"]) end
  end
end
