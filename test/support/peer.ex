defmodule Bounded.Test.Peer do
  @moduledoc false
  # Fresh VMs with this project loaded, talked to over their standard input and output.

  import Bounded.Eventually
  import ExUnit.Assertions
  import ExUnit.Callbacks
  alias Bounded.Test.Cover

  @doc """
  Starts one that ends with the calling test, with more flags for `erl`; `code` is where its modules are. It has no
  name: no distribution.
  """
  def start(flags \\ [], code \\ :code.get_path()), do: start_link(%{}, flags, code)

  @doc """
  As `start/1`, with a name and a cookie, to be reached from this machine alone: `{peer, node}`. `env` is what
  other programs need to find it.
  """
  def start_named(cookie, env, flags \\ []) do
    name = :"peer_#{System.unique_integer([:positive])}"
    options = %{name: name, host: ~c"127.0.0.1", longnames: true, env: charlists(env)}
    peer = start_link(options, ["-setcookie", cookie | flags], :code.get_path())
    {peer, call(peer, :erlang, :node, [])}
  end

  @doc "As `start_named/2`, without this project: a node of OTP alone."
  def start_plain(cookie, env), do: start_alone(cookie, env, ~c"127.0.0.1", true)

  @doc "As `start_plain/2`, with a short name."
  def start_short(cookie, env), do: start_alone(cookie, env, ~c"localhost", false)

  defp start_alone(cookie, env, host, longnames) do
    name = :"plain_#{System.unique_integer([:positive])}"

    {:ok, peer, node} =
      :peer.start_link(%{
        name: name,
        host: host,
        longnames: longnames,
        env: charlists(env),
        connection: :standard_io,
        args: [~c"-setcookie", to_charlist(cookie)]
      })

    {peer, node}
  end

  @doc "Starts a port mapper of the test's own, on this machine alone. Returns the environment that names it."
  def start_epmd do
    epmd = System.find_executable("epmd") || bundled_epmd()
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :gen_tcp.close(socket)
    arguments = ["-port", "#{port}", "-address", "127.0.0.1"]
    opened = Port.open({:spawn_executable, epmd}, [:binary, args: arguments])
    {:os_pid, pid} = Port.info(opened, :os_pid)
    on_exit(fn -> System.cmd("kill", ["#{pid}"], stderr_to_stdout: true) end)

    eventually(fn ->
      assert {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [])
      :gen_tcp.close(socket)
    end)

    [{"ERL_EPMD_PORT", "#{port}"}]
  end

  defp bundled_epmd, do: Path.wildcard("#{:code.root_dir()}/erts-*/bin/epmd") |> hd()

  def call(peer, module, function, arguments) do
    :peer.call(peer, module, function, arguments, 300_000)
  after
    Cover.collect(peer)
  end

  defp start_link(options, flags, code) do
    counted = code == :code.get_path()
    # Each goes before those that came before it.
    code = if counted, do: code ++ Cover.paths(), else: code
    paths = Enum.flat_map(code, &[~c"-pa", &1])
    arguments = Enum.map(flags, &String.to_charlist/1) ++ paths

    # A VM starts within a second, but an emulated one, or one on a busy machine, takes longer than the default of 15.
    start = %{connection: :standard_io, args: arguments, wait_boot: 120_000}
    {:ok, peer, _node} = :peer.start_link(Map.merge(options, start))

    if counted, do: Cover.count(peer)
    {:ok, _} = call(peer, :application, :ensure_all_started, [:bounded])
    peer
  end

  defp charlists(env), do: for({name, value} <- env, do: {to_charlist(name), to_charlist(value)})
end
