defmodule Bounded.ReloadTest do
  # Alone, because it loads a module that all others use.
  use ExUnit.Case, async: false

  # Loading waits for modules to be left, and the schedulers are busy.
  @moduletag timeout: 300_000

  alias Bounded.Native
  alias Bounded.Test.{Churn, Peer}

  test "loading the module again is refused, and what is loaded goes on working" do
    assert {:module, Native} = Code.ensure_loaded(Native)
    test = self()
    :ok = :logger.add_primary_filter(__MODULE__, {&keep_report/2, test})
    on_exit(fn -> :logger.remove_primary_filter(__MODULE__) end)
    assert {:error, :on_load_failure} = :code.load_file(Native)
    assert_receive {:reported, report}, 60_000
    assert report =~ "restart the node"
    assert {{_, _, _, _, _}, _, _} = Native.node_usage()
    assert Quota.run(Quota.mib(1), fn -> :works end) == :works
  end

  # A process of the VM's own logs why, sooner or later: to this test, for others look at what is logged meanwhile.
  defp keep_report(event, test) do
    report = inspect(event.msg, printable_limit: :infinity)

    if report =~ "on_load function" do
      send(test, {:reported, report})
      :stop
    else
      :ignore
    end
  end

  @modules [
    Quota,
    Quota.Run,
    Quota.Run.Worker,
    Quota.Watch.Guard,
    Quota.Watch.ChildWatcher,
    Quota.Watch.Children,
    Quota.Watch.OrphanMonitor,
    Quota.Watch.Tracer,
    Quota.Watch.TurnWatcher,
    BoundedXml,
    BoundedXml.Stream,
    BoundedBinary
  ]

  @tag :slow
  test "a VM whose modules are purged and loaded while quotas run lives, and they work" do
    peer = Peer.start()
    assert Peer.call(peer, Churn, :works?, [])
    :ok = Peer.call(peer, Churn, :start, [6])
    assert Peer.call(peer, Churn, :reload, [@modules, 20]) == :ok
    assert Peer.call(peer, Churn, :reload_native, [50]) == :ok
    assert Peer.call(peer, Churn, :works?, [])
  end

  @tag :slow
  test "a VM whose native module is deleted and purged while quotas run lives" do
    peer = Peer.start()
    :ok = Peer.call(peer, Churn, :start, [6])
    assert Peer.call(peer, Churn, :delete_native, [50]) == :ok

    # Nothing works that needs it, and whoever tries may wait for the code server; the node is there.
    assert Peer.call(peer, :erlang, :garbage_collect, [])
    assert is_integer(Peer.call(peer, :erlang, :memory, [:total]))
  end
end
