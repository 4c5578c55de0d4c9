# Nodes of a cluster on this machine, each in a control group of its own, and what is measured on them.
defmodule Bench.Cluster.Nodes do
  alias Bench.Cluster.Node, as: Here
  alias Bench.ControlGroup

  @group 256 * 1024 * 1024
  @pool {:fraction, 0.7}
  @limit 8 * 1024 * 1024
  # What waiting work holds of its limit.
  @held 4 * 1024 * 1024
  @waiting 150
  # Clients of a load, and what their work holds.
  @clients 100
  @worked 256 * 1024
  @ticktime 4
  # Views are equal at the latest so long after a connection is back.
  @equal_ms 5_000

  @doc "All measurements, for nodes of these releases: nil for this one, or that of a chroot of `bin/otp`. Returns `{name, held}`."
  def measure(releases) do
    ensure_epmd()
    names = Enum.map(releases, &(&1 || "here"))
    IO.puts("\nnodes: #{Enum.join(names, ", ")}, #{div(@group, 1024 * 1024)} MiB each")

    with_nodes(releases, [], fn nodes ->
      Enum.each(
        nodes,
        &IO.puts("  #{&1.node}: OTP #{call(&1, :erlang, :system_info, [:otp_release])}")
      )

      admitted(nodes) ++ round_trips(nodes)
    end) ++
      with_nodes(releases, [], &killed/1) ++
      with_nodes(releases, ticktime(), &silent/1) ++
      Enum.flat_map(["true", "false"], fn prevent ->
        flags = ["-kernel", "prevent_overlapping_partitions", prevent]
        with_nodes(releases, flags, &cut(&1, prevent))
      end)
  end

  defp ticktime, do: ["-kernel", "net_ticktime", "#{@ticktime}"]

  ## How much is admitted

  defp admitted([first | _] = nodes) do
    alone = running(first, [first], first.node)
    together = running(first, nodes, :any)

    IO.puts(
      "  work of 8 MiB that waits, admitted at once: #{alone} by one node, #{together} by #{length(nodes)}"
    )

    [{"#{length(nodes)} nodes admit 2.8 times the work of one", together >= 2.8 * alone}]
  end

  defp running(first, nodes, where) do
    callers = here(first, :wait, [@waiting, @limit, @held, where])
    running = settled(fn -> nodes |> Enum.map(&here(&1, :info, []).running) |> Enum.sum() end)
    here(first, :kill, [callers])
    true = until(fn -> Enum.all?(nodes, &idle?/1) end, 10_000)
    running
  end

  # The figure when it has not changed for two seconds.
  defp settled(fun, last \\ nil, times \\ 0)
  defp settled(_fun, last, 20), do: last

  defp settled(fun, last, times) do
    Process.sleep(100)
    now = fun.()
    if now == last, do: settled(fun, last, times + 1), else: settled(fun, now)
  end

  defp idle?(node), do: match?(%{reserved: 0, running: 0, waiting: 0}, here(node, :info, []))

  defp round_trips([first, second | _]) do
    figures = here(first, :round_trips, [second.node, @limit, 1_001])
    IO.puts("  microseconds on another node: " <> inspect(figures))
    []
  end

  ## A node that is killed

  defp killed([first, second, third] = nodes) do
    processes = fn ->
      for node <- [first, second], do: call(node, :erlang, :system_info, [:process_count])
    end

    before = processes.()
    load = Task.async(fn -> here(first, :load, [@clients, 6_000, @limit, @worked]) end)
    Process.sleep(2_000)
    # Not in a moment between two views, in which nothing runs there.
    true = until(fn -> here(third, :info, []).running >= 6 end, 3_000)
    running = here(third, :info, []).running
    kill(third, "KILL")
    {outcomes, messages} = Task.await(load, :infinity)
    {lost, others} = Map.split(outcomes, [{:nodedown, third.node}])
    lost = Enum.sum(Map.values(lost))

    IO.puts(
      "  killed under load, #{running} running: #{inspect(others)}, #{lost} lost, #{messages} messages left"
    )

    known = Enum.map(nodes, &{:ran, &1.node})
    exact = until(fn -> idle?(first) and idle?(second) end, 5_000)
    # Those of the load itself have ended. A few of the VM's own come and go.
    back =
      until(
        fn ->
          Enum.all?(Enum.zip(processes.(), before), fn {now, before} -> now <= before + 3 end)
        end,
        5_000
      )

    [
      {"kill -9 of a node loses its own calls alone",
       lost <= @clients and lost > 0 and Map.keys(others) -- known == []},
      {"the others' reservations are exact", exact},
      {"no message is left", messages == 0},
      {"no process is left", back}
    ]
  end

  ## A node that falls silent

  defp silent([first, second | _]) do
    caller = Task.async(fn -> here(first, :lose, [second.node, @limit]) end)
    true = until(fn -> here(second, :info, []).running == 1 end, 5_000)
    started = System.monotonic_time(:millisecond)
    kill(second, "STOP")
    Task.await(caller, :infinity)
    ms = System.monotonic_time(:millisecond) - started
    kill(second, "CONT")
    IO.puts("  silent, net_ticktime #{@ticktime} s: lost after #{ms} ms")
    gone = until(fn -> idle?(second) end, 10_000)

    [
      {"a silent node is lost within 1.25 net_ticktime", ms <= 1_250 * @ticktime + 100},
      {"its work ends when it is back", gone}
    ]
  end

  ## A connection that is cut

  defp cut([first, second | _] = nodes, prevent) do
    cookie = call(first, :erlang, :get_cookie, [])
    callers = here(first, :wait, [3, @limit, @held, second.node])
    true = until(fn -> here(second, :info, []).running == 3 end, 5_000)

    # They cannot connect again meanwhile: with one cookie for both, the next message between them would do so.
    call(first, :erlang, :set_cookie, [second.node, :one])
    call(second, :erlang, :set_cookie, [first.node, :other])
    call(first, :erlang, :disconnect_node, [second.node])
    released = until(fn -> idle?(second) end, 5_000)
    apart = until(fn -> not is_map_key(here(first, :views, []), second.node) end, 5_000)
    call(first, :erlang, :set_cookie, [second.node, cookie])
    call(second, :erlang, :set_cookie, [first.node, cookie])
    # What a library that keeps a cluster together does.
    connected = until(fn -> connect(nodes) end, 10_000)
    started = System.monotonic_time(:millisecond)
    holding = here(first, :wait, [2, @limit, @held, second.node])
    equal = until(fn -> equal?(nodes) end, @equal_ms)
    ms = System.monotonic_time(:millisecond) - started
    here(first, :kill, [callers ++ holding])
    IO.puts("  cut with prevent_overlapping_partitions #{prevent}: equal views #{ms} ms after")

    [
      {"a cut connection releases its memory (prevent_overlapping_partitions #{prevent})",
       released and apart},
      {"equal views within 5 s after it is back (prevent_overlapping_partitions #{prevent})",
       connected and equal}
    ]
  end

  defp connect(nodes) do
    for a <- nodes, b <- nodes, a != b, do: call(a, :net_kernel, :connect_node, [b.node])
    Enum.all?(nodes, &(length(call(&1, :erlang, :nodes, [])) == length(nodes) - 1))
  end

  defp equal?([first, second | _] = nodes) do
    views = nodes |> Enum.map(&here(&1, :views, [])) |> Enum.uniq()
    running = here(second, :info, []).running
    first != nil and running == 2 and match?([view] when map_size(view) == length(nodes), views)
  end

  ## Nodes

  defp with_nodes(releases, flags, fun) do
    nodes = for {release, n} <- Enum.with_index(releases, 1), do: start(release, n, flags)

    try do
      true = until(fn -> connect(nodes) end, 10_000)
      for node <- nodes, do: :ok = here(node, :serve, [@pool])
      true = until(fn -> seen?(nodes) end, 10_000)
      fun.(nodes)
    after
      for node <- nodes do
        if Process.alive?(node.peer), do: :peer.stop(node.peer)
        until(fn -> ControlGroup.remove(node.group) == :ok end, 5_000)
      end
    end
  end

  defp seen?(nodes) do
    views = nodes |> Enum.map(&here(&1, :views, [])) |> Enum.uniq()
    match?([view] when map_size(view) == length(nodes), views)
  end

  defp start(release, n, flags) do
    {:ok, group} = ControlGroup.create(@group, "-#{n}")
    {prefix, code} = place(release)
    script = "#{ControlGroup.enter(group)} && #{prefix} erl \"$@\""

    flags = ["-setcookie", "bench", "+sbwt", "none"] ++ flags

    interface = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
    paths = Enum.flat_map(code, &["-pa", &1])

    # A node that is killed does not end this VM.
    {:ok, peer, node} =
      :peer.start(%{
        name: :"bench_#{System.pid()}_#{n}_#{System.unique_integer([:positive])}",
        host: ~c"127.0.0.1",
        longnames: true,
        connection: :standard_io,
        wait_boot: 120_000,
        exec: {~c"/bin/sh", [~c"-c", to_charlist(script), ~c"erl"]},
        args: Enum.map(flags ++ interface ++ paths, &to_charlist/1)
      })

    started = %{peer: peer, node: node, group: group}
    {:ok, _} = call(started, :application, :ensure_all_started, [:bounded])
    call(started, Logger, :configure, [[level: :emergency]])
    # Compiled once: it is a script, and has no file.
    {:module, Here} = call(started, :code, :load_binary, [Here, ~c"node.exs", code_of_node()])
    started
  end

  defp code_of_node do
    with nil <- Process.get(Here) do
      [{Here, code}] = Code.compile_file(Path.join(__DIR__, "node.exs"))
      Process.put(Here, code)
      code
    end
  end

  # How to start `erl`, and where the modules are: here, or in a chroot that `bin/otp` keeps, where a copy of this project is built.
  defp place(nil), do: {"exec", Enum.map(:code.get_path(), &to_string/1)}

  defp place(release) do
    root = Path.join(System.get_env("OTP_CHROOTS", "/var/cache/bounded-otp"), release)
    project = "/srv/#{Path.basename(File.cwd!())}/bounded"

    built =
      Enum.find(["prod", "test"], &File.dir?("#{root}#{project}/_build/#{&1}/lib/bounded")) ||
        raise "run `bin/otp #{release} 'MIX_ENV=test mix compile'` first"

    code =
      for path <- Path.wildcard("#{root}/usr/lib/elixir/lib/*/ebin"),
          do: String.replace_prefix(path, root, "")

    mounts =
      "mount --rbind /proc #{root}/proc && mount --rbind /dev #{root}/dev && mount --rbind /sys #{root}/sys"

    {"exec unshare -m sh -c '#{mounts} && exec chroot #{root} \"$@\"' sh",
     ["#{project}/_build/#{built}/lib/bounded/ebin" | code]}
  end

  defp ensure_epmd do
    epmd =
      System.find_executable("epmd") || hd(Path.wildcard("#{:code.root_dir()}/erts-*/bin/epmd"))

    System.cmd(epmd, ["-daemon", "-address", "127.0.0.1"])
  end

  defp kill(node, signal) do
    {_, 0} = System.cmd("kill", ["-#{signal}", os_pid(node)])
  end

  # Of the group: a node that is stopped does not answer.
  defp os_pid(%{group: %{directory: directory}}) do
    directory
    |> Path.join("cgroup.procs")
    |> File.read!()
    |> String.split()
    |> Enum.find(&(File.read!("/proc/#{&1}/comm") =~ "beam"))
  end

  defp call(node, module, function, arguments),
    do: :peer.call(node.peer, module, function, arguments, :infinity)

  defp here(node, function, arguments), do: call(node, Here, function, arguments)

  defp until(fun, ms) do
    cond do
      fun.() -> true
      ms <= 0 -> false
      true -> Process.sleep(20) && until(fun, ms - 20)
    end
  end
end
