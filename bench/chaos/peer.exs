defmodule Bench.Chaos.Peer do
  # The other node of the cluster, in the same control group, and this node's distribution. The other node is controlled over its
  # standard input, so that it can be lost and found again.

  alias Bench.Chaos.{Names, Requests}

  @cookie :bench_chaos
  @tries 2_000

  @doc "Starts both. `children` are what runs there, `directory` is that of the inputs."
  def start(children, directory) do
    Application.put_env(:kernel, :inet_dist_use_interface, {127, 0, 0, 1})
    up()
    paths = Enum.flat_map(:code.get_path(), &[~c"-pa", &1])
    only_here = ~w(-kernel inet_dist_use_interface {127,0,0,1})c
    flags = ~w(-setcookie #{@cookie} +S 1:1 +sbwt none)c

    {:ok, peer, node} =
      :peer.start_link(%{
        name: :"chaos_there_#{System.pid()}",
        host: ~c"127.0.0.1",
        longnames: true,
        connection: :standard_io,
        wait_boot: 120_000,
        # The flags of this VM are not its own.
        env: [{~c"ERL_AFLAGS", ~c""}],
        args: Enum.map(flags, &to_charlist/1) ++ Enum.map(only_here, &to_charlist/1) ++ paths
      })

    Names.put_there(node)
    {:ok, _} = :peer.call(peer, :application, :ensure_all_started, [:bounded])
    :ok = :peer.call(peer, Logger, :configure, [[level: :none]])
    :ok = :peer.call(peer, Requests, :prepare, [directory], 60_000)
    :ok = :peer.call(peer, __MODULE__, :serve, [children], 60_000)
    connect()
    peer
  end

  @doc "Runs `children` for good, below nobody."
  def serve(children) do
    parent = self()

    spawn(fn ->
      {:ok, _} = Supervisor.start_link(children, strategy: :one_for_one, max_restarts: 1_000_000)
      send(parent, :serving)
      Process.sleep(:infinity)
    end)

    receive do: (:serving -> :ok)
  end

  def disconnect do
    :erlang.disconnect_node(Names.there())
    Process.sleep(:rand.uniform(50))
    connect()
  end

  def down_and_up(milliseconds) do
    :ok = :net_kernel.stop()
    Process.sleep(milliseconds)
    up()
    connect()
  end

  defp up do
    {:ok, _} =
      :net_kernel.start(:"chaos_here_#{System.pid()}@127.0.0.1", %{name_domain: :longnames})

    true = Node.set_cookie(@cookie)
  end

  @doc "Until the other node is connected."
  def connect(tries \\ @tries) do
    unless Node.connect(Names.there()) == true do
      if tries == 0, do: raise("the other node cannot be reached")
      Process.sleep(5)
      connect(tries - 1)
    end
  end
end
