defmodule Bounded.UpgradeTest do
  # In VMs of their own, whose code is replaced.
  use ExUnit.Case, async: true

  @moduletag timeout: 300_000

  alias Bounded.Test.{Churn, Peer, Upgrades}

  @tag :tmp_dir
  test "a VM that restarts in place works each time, and nothing of before is charged", %{
    tmp_dir: dir
  } do
    file = Path.join(dir, "boots")
    boot = "'Elixir.Bounded.Test.Upgrades':boot(<<\"#{file}\">>, 4)"
    start = "[{ok, _} = application:ensure_all_started(A) || A <- [elixir, logger, bounded]]"
    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    erl = System.find_executable("erl")
    flags = ["+fnu", "-noinput", "-eval", "#{start}, spawn(fun() -> #{boot} end)." | paths]
    {output, status} = System.cmd(erl, flags, stderr_to_stdout: true)
    assert status == 0, output

    lines = file |> File.read!() |> String.split("\n", trim: true)
    assert length(lines) == 4
    # In one process of the system, with nothing charged at the start of each.
    assert [line] = Enum.uniq(lines)
    assert line =~ "{true, {0, 0, 0, 0}, 2, "
  end

  test "runs go on in the version in which they began when the next one is loaded" do
    peer = Peer.start()
    assert Peer.call(peer, Upgrades, :load_meanwhile, [5]) == for(n <- 1..5, do: {:answer, n})
    assert Peer.call(peer, Churn, :works?, [])
  end

  test "callers that a purge kills in their old version leave nothing" do
    peer = Peer.start()
    assert {[:killed], {0, 0, 0, 0}} = Peer.call(peer, Upgrades, :purge_meanwhile, [5])
    assert Peer.call(peer, Churn, :works?, [])
  end

  @tag :tmp_dir
  test "a hot upgrade of a release is refused, and the old version goes on", %{tmp_dir: dir} do
    peer = Peer.start()
    {outcome, works} = Peer.call(peer, Upgrades, :upgrade, [dir])
    assert inspect(outcome) =~ "on_load_failure"
    assert works, inspect(outcome)
  end
end
