defmodule Examples.Cluster do
  @moduledoc """
  Three nodes on this machine. All work is asked of the first, and runs where there is room.

      mix run examples/cluster/run.exs
  """

  alias Examples.Cluster.Office

  @modules Code.compile_file(Path.join(__DIR__, "reports.ex"))
  # Room for two reports of 16 MiB each: a pool reserves more than the limit.
  @size 64 * 1024 * 1024

  @doc "Starts connected nodes. `env` is for their port mapper, which listens on this machine alone."
  def start(count, env \\ [{"ERL_EPMD_ADDRESS", "127.0.0.1"}]) do
    cookie = "cookie#{System.unique_integer([:positive])}"
    [first | others] = nodes = for number <- 1..count, do: start_node(number, cookie, env)
    for %{name: name} <- others, do: true = call(first, :net_kernel, :connect_node, [name])
    for node <- nodes, do: :ok = call(node, Office, :open, [@size])
    until(fn -> Enum.all?(nodes, &(map_size(call(&1, Office, :room, [])) == count)) end)
    nodes
  end

  defp start_node(number, cookie, env) do
    paths = Enum.flat_map(:code.get_path(), &[~c"-pa", &1])
    local = [~c"-kernel", ~c"inet_dist_use_interface", ~c"{127,0,0,1}"]

    {:ok, peer, name} =
      :peer.start_link(%{
        name: :"office_#{number}_#{System.unique_integer([:positive])}",
        host: ~c"127.0.0.1",
        longnames: true,
        connection: :standard_io,
        wait_boot: 120_000,
        env: for({key, value} <- env, do: {to_charlist(key), to_charlist(value)}),
        args: [~c"-setcookie", to_charlist(cookie) | local ++ paths]
      })

    node = %{peer: peer, name: name}
    {:ok, _} = call(node, :application, :ensure_all_started, [:bounded])
    call(node, Logger, :configure, [[level: :error]])
    for {module, code} <- @modules, do: call(node, :code, :load_binary, [module, ~c"", code])
    node
  end

  def stop(nodes), do: for(%{peer: peer} <- nodes, Process.alive?(peer), do: :peer.stop(peer))

  @doc "Calls a function there."
  def call(%{peer: peer}, module, function, arguments),
    do: :peer.call(peer, module, function, arguments, 60_000)

  @doc "Ends the VM of a node, as the kernel's OOM killer would."
  def kill(%{peer: peer} = node) do
    os_pid = node |> call(:os, :getpid, []) |> to_string()
    Process.unlink(peer)
    {_, 0} = System.cmd("kill", ["-KILL", os_pid])
  end

  @doc "Waits until `fun` returns true, for at most ten seconds."
  def until(fun, times \\ 500) do
    cond do
      fun.() -> :ok
      times == 0 -> raise "waited for ten seconds"
      true -> Process.sleep(20) && until(fun, times - 1)
    end
  end

  def main(_arguments) do
    [first, second, third] = nodes = start(3)
    IO.puts("three nodes, each with room for two reports: " <> names(nodes))

    outcomes = call(first, Office, :ask, [6, 1_000_000, 500])
    IO.puts("six reports, asked of the first: #{places(outcomes)}")

    [{:error, error}] = call(first, Office, :ask, [1, 40_000_000, 1_000])
    IO.puts("one that needs too much: " <> Exception.message(error))

    IO.puts("one job in thirty parts: #{inspect(call(first, Office, :split, [30]))}")

    asked = Task.async(fn -> call(first, Office, :ask, [6, 1_000_000, 1_500]) end)
    until(fn -> call(third, Office, :running, []) == 2 end)
    kill(third)
    IO.puts("six reports while the third node dies: #{places(Task.await(asked, 60_000))}")
    stop([first, second])
  end

  defp names(nodes), do: Enum.map_join(nodes, ", ", &to_string(&1.name))

  defp places(outcomes) do
    outcomes
    |> Enum.frequencies_by(fn {:ok, node} -> node end)
    |> Enum.map_join(", ", fn {node, count} -> "#{count} on #{node}" end)
  end
end
