Code.require_file("reports.ex", __DIR__)

defmodule Examples.GenServer.ReportsTest do
  use ExUnit.Case, async: true

  import Bounded.Eventually

  alias Examples.GenServer.{Cache, Reports}

  @moduletag :capture_log

  test "a call that goes over its limit is an error, and the server answers the next one" do
    server = start_supervised!({Reports, Enum.to_list(1..1_000)})
    assert Reports.report(server, 10) == {:ok, 10_000}
    assert {:error, %Quota.ExceededError{label: "report"}} = Reports.report(server, 10_000)
    assert Reports.report(server, 10) == {:ok, 10_000}
    assert Process.alive?(server)
  end

  test "a cache over its limit is started again, empty" do
    name = :"cache #{System.unique_integer()}"
    first = start_supervised!({Cache, name: name})
    :ok = Cache.put(name, :small, 1)
    ref = Process.monitor(first)
    catch_exit(Cache.put(name, :large, Enum.to_list(1..3_000_000)))
    assert_receive {:DOWN, ^ref, _, _, :killed}, 5_000

    eventually(fn ->
      pid = Process.whereis(name)
      assert is_pid(pid) and pid != first
    end)

    assert Cache.get(name, :small) == nil
  end

  test "a cache that was busy gives its heap back" do
    server = start_supervised!({Cache, []})
    :ok = Cache.put(server, :list, Enum.to_list(1..100_000))
    :ok = Cache.put(server, :list, nil)
    {:memory, busy} = Process.info(server, :memory)

    eventually(fn ->
      {:memory, quiet} = Process.info(server, :memory)
      assert quiet < div(busy, 10)
    end)

    # It has its limit still.
    assert Enum.any?(Quota.list(), &(&1.pid == server))
  end
end
