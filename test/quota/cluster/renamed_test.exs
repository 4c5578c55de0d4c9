defmodule Quota.Cluster.RenamedTest do
  # A node that stops its distribution while it calls another one, and so has another name when it reads the answer. Found by chaos.
  use Quota.ClusterCase, async: false

  alias Bounded.Test.RenamedNode

  setup do
    env = [{_, port}] = Peer.start_epmd()
    cookie = "cookie#{System.unique_integer([:positive])}"
    [{_, there}] = cluster([1], %{env: env, cookie: cookie})
    peer = Peer.start(["-epmd_port", port, "-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
    true = Peer.call(peer, RenamedNode, :join, [cookie, there])
    %{peer: peer, there: there}
  end

  test "takes an answer that had arrived before", %{peer: peer, there: there} do
    assert Peer.call(peer, RenamedNode, :answered, [there]) == {{:returned, there}, []}
  end

  test "loses a call that had not begun, and keeps no message of it", context do
    %{peer: peer, there: there} = context
    assert Peer.call(peer, RenamedNode, :admitted, [there]) == {{:lost, :noconnection}, []}
  end
end
