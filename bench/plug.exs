# What `Quota.Plug` costs: over the bare plug for a small request, for each call of the adapter, and with 100 connections; and what
# a large body takes in memory. Plug and the servers are no dependency: ERL_LIBS names a folder that has them. Throughput is measured
# by wrk if it is installed, which takes less of the processors, and otherwise by a client of its own in another VM. In turns with the
# two stands the least that any limit of this kind costs: the same plug in a second process, without a limit.
#
#     MIX_ENV=prod mix compile
#     ERL_LIBS=FOLDER elixir -pa _build/prod/lib/bounded/ebin --erl '+sbwt none +sbwtdcpu none +sbwtdio none' bench/plug.exs [cost] [throughput] [memory]

defmodule Bench.Plug do
  @limit Quota.mib(32)
  @rounds 201
  @calls 300
  @throughput_rounds 9
  @throughput_ms 1_500
  @connections 100

  defmodule Null do
    # An adapter that does nothing: what is left is what the way to it costs.
    def send_resp(payload, _status, _headers, _body), do: {:ok, nil, payload}
    def send_chunked(payload, _status, _headers), do: {:ok, nil, payload}
    def chunk(payload, _body), do: {:ok, nil, payload}
    def read_req_body(payload, _options), do: {:ok, "", payload}
  end

  defmodule App do
    import Plug.Conn
    def init(options), do: options
    def call(%{path_info: ["hello"]} = conn, _), do: send_resp(conn, 200, "hello")

    def call(%{path_info: ["chunks"]} = conn, _) do
      Enum.reduce(1..100, send_chunked(conn, 200), fn _, conn ->
        {:ok, conn} = chunk(conn, "part")
        conn
      end)
    end

    # A page as applications make them: some 50 KB of JSON-like text out of terms.
    def call(%{path_info: ["page"]} = conn, _) do
      rows = for i <- 1..300, do: %{id: i, name: "name #{i}", tags: Enum.to_list(1..10)}

      body =
        Enum.map(rows, fn row -> [inspect(row.id), ?,, row.name, ?,, inspect(row.tags), ?\n] end)

      send_resp(conn, 200, body)
    end

    # Some 1 ms of work on a slow processor: 400 lines of CSV.
    def call(%{path_info: ["rows"]} = conn, _) do
      body =
        for i <- 1..400 do
          tags = Enum.map_join([1, 2, 3, i], ",", &Integer.to_string/1)
          [Integer.to_string(i), ?,, String.upcase("name #{i}"), ?,, tags, ?\n]
        end

      send_resp(conn, 200, body)
    end

    def call(%{path_info: ["xml"]} = conn, _) do
      {count, conn} =
        BoundedXml.Conn.with_body(conn, [max_bytes: :infinity], fn source ->
          source |> BoundedXml.select("r/i") |> Enum.count()
        end)

      send_resp(conn, 200, "#{count}")
    end
  end

  defmodule SecondProcess do
    # A process for each request, one response passed on, and the changed fields of the conn returned: no limit, no error, nothing else.
    def init(plug), do: plug

    def call(conn, plug) do
      alias = :erlang.alias()
      arguments = [plug, %{conn | adapter: nil}, alias]
      {_, ref} = :erlang.spawn_opt(__MODULE__, :work, arguments, [:monitor])
      conn = serve(conn, alias, ref)
      Process.demonitor(ref, [:flush])
      :erlang.unalias(alias)
      conn
    end

    def work(plug, conn, alias) do
      conn = plug.call(%{conn | adapter: {__MODULE__, alias}, owner: self()}, [])
      send(alias, {alias, Map.take(conn, [:status, :resp_headers, :state])})
    end

    def send_resp(alias, status, headers, body) do
      tag = make_ref()
      body = IO.iodata_to_binary(body)
      send(alias, {alias, self(), tag, [status, headers, body]})
      receive do: (^tag -> {:ok, nil, alias})
    end

    defp serve(%{adapter: {module, payload}} = conn, alias, ref) do
      receive do
        {^alias, worker, tag, args} ->
          {:ok, _, payload} = apply(module, :send_resp, [payload | args])
          send(worker, tag)
          serve(%{conn | adapter: {module, payload}}, alias, ref)

        {^alias, fields} ->
          Map.merge(conn, fields)

        {:DOWN, ^ref, _, _, reason} ->
          exit(reason)
      end
    end
  end

  def run(parts) do
    {:ok, _} = Application.ensure_all_started(:plug)
    {:ok, _} = Application.ensure_all_started(:bounded)
    versions()
    if "cost" in parts, do: cost()
    if "throughput" in parts, do: for(server <- servers(), do: throughput(server))
    if "memory" in parts, do: for(server <- servers(), do: memory(server))
  end

  defp versions do
    libraries =
      for app <- [:plug, :bandit, :thousand_island, :cowboy, :plug_cowboy],
          Application.load(app) in [:ok, {:error, {:already_loaded, app}}],
          do: "#{app} #{Application.spec(app, :vsn)}"

    IO.puts(
      "OTP #{System.otp_release()}, Elixir #{System.version()}, #{Enum.join(libraries, ", ")}"
    )

    IO.puts("#{System.schedulers_online()} schedulers\n")
  end

  defp servers, do: Enum.filter([Bandit, Plug.Cowboy], &Code.ensure_loaded?/1)

  # -- In one process

  # The least of all rounds is what a quiet machine gives; the median is what this one gave.
  defp cost do
    for {name, pick} <- [{"least", &Enum.min/1}, {"median", &median/1}] do
      {small, small_limited} = interleaved("hello", pick)
      {chunks, chunks_limited} = interleaved("chunks", pick)
      over = small_limited - small
      call = (chunks_limited - chunks - over) / 100

      IO.puts(
        "#{name}: a small request #{us(over)} us over the bare plug (#{us(small)} -> #{us(small_limited)} us), " <>
          "a call of the adapter #{us(call)} us"
      )
    end
  end

  defp interleaved(path, pick) do
    conn = conn(path)
    options = Quota.Plug.init(to: App, limit: @limit)
    bare = fn -> App.call(conn, []) end
    limited = fn -> Quota.Plug.call(conn, options) end
    calls = if path == "chunks", do: div(@calls, 20), else: @calls
    rounds = for _ <- 1..@rounds, do: {per_call(bare, calls), per_call(limited, calls)}
    {bares, limiteds} = Enum.unzip(rounds)
    {pick.(bares), pick.(limiteds)}
  end

  defp per_call(fun, calls) do
    {us, _} = :timer.tc(fn -> for _ <- 1..calls, do: called(fun) end)
    us / calls
  end

  # A server takes the message that a response was sent out of the mailbox.
  defp called(fun) do
    fun.()
    flush()
  end

  defp flush do
    receive do
      _ -> flush()
    after
      0 -> :ok
    end
  end

  # As a browser's request is.
  defp conn(path) do
    headers =
      for name <-
            ~w(host user-agent accept accept-language accept-encoding connection cookie referer),
          do: {name, String.duplicate("value of #{name} ", 4)}

    uri = %URI{scheme: "http", host: "localhost", port: 80, path: "/#{path}", query: nil}
    Plug.Conn.Adapter.conn({Null, %{}}, "GET", uri, {127, 0, 0, 1}, headers)
  end

  # -- On a server, with a client in a VM of its own

  defp throughput(server) do
    bare = start(server, App, [])
    limited = start(server, Quota.Plug, to: App, limit: @limit)
    second = start(server, SecondProcess, App)
    {:ok, peer, _node} = client()
    wrk = System.find_executable("wrk")

    for client <- [if(wrk, do: {:wrk, wrk}, else: {:peer, peer})],
        path <- ["hello", "rows", "page"] do
      rounds =
        for _ <- 1..@throughput_rounds,
            do: for(port <- [bare, limited, second], do: requests(client, port, path))

      name = "#{inspect(server)}, #{elem(client, 0)}, /#{path}"
      compared(name, for([bare, limited, _] <- rounds, do: {bare, limited}))
      compared("#{name}, a second process", for([bare, _, second] <- rounds, do: {bare, second}))
    end

    :peer.stop(peer)
  end

  # Medians of the rounds. Of the ratios too: what else runs on the machine changes from round to round.
  defp compared(name, rounds) do
    {bares, limiteds} = Enum.unzip(rounds)
    figures = fn list, part -> list |> Enum.map(&elem(&1, part)) |> median() |> round() end
    ratio = median(Enum.map(rounds, fn {{bare, _}, {limited, _}} -> limited / bare end))
    time = median(Enum.map(rounds, fn {{_, bare}, {_, limited}} -> bare / limited end))

    IO.puts(
      "#{name}: #{figures.(bares, 0)} -> #{figures.(limiteds, 0)} requests a second, " <>
        "#{Float.round(ratio, 2)} of the bare plug's; CPU time of the server " <>
        "#{figures.(bares, 1)} -> #{figures.(limiteds, 1)} us a request, by which it would be #{Float.round(time, 2)}"
    )
  end

  defp client do
    {:ok, peer, node} = :peer.start(%{connection: :standard_io})
    :peer.call(peer, :code, :add_paths, [:code.get_path()])
    binary = :persistent_term.get(Bench.Plug.Client)
    {:module, _} = :peer.call(peer, :code, :load_binary, [Bench.Plug.Client, ~c"client", binary])
    {:ok, peer, node}
  end

  # Requests a second, and the CPU time of this VM for each in microseconds.
  defp requests(client, port, path) do
    {before, _} = :erlang.statistics(:runtime)
    {done, seconds} = request_all(client, port, path)
    {later, _} = :erlang.statistics(:runtime)
    {done / seconds, (later - before) * 1_000 / done}
  end

  defp request_all({:peer, peer}, port, path) do
    args = [port, path, @connections, @throughput_ms]
    {:peer.call(peer, Bench.Plug.Client, :requests, args, 60_000), @throughput_ms / 1_000}
  end

  defp request_all({:wrk, wrk}, port, path) do
    options = ["-t1", "-c#{@connections}", "-d1s", "http://127.0.0.1:#{port}/#{path}"]
    {report, 0} = System.cmd(wrk, options)
    [_, done, seconds] = Regex.run(~r/(\d+) requests in ([\d.]+)s/, report)
    {String.to_integer(done), String.to_float(seconds)}
  end

  defp start(Bandit, plug, options) do
    {:ok, _} = Application.ensure_all_started(:bandit)

    {:ok, pid} =
      Bandit.start_link(plug: {plug, options}, port: 0, ip: :loopback, startup_log: false)

    {:ok, {_, port}} = ThousandIsland.listener_info(pid)
    port
  end

  defp start(Plug.Cowboy, plug, options) do
    {:ok, _} = Application.ensure_all_started(:plug_cowboy)
    name = :"server #{System.unique_integer()}"
    server = [port: 0, ip: {127, 0, 0, 1}, ref: name, stream_handlers: [:cowboy_stream_h]]
    {:ok, _} = Plug.Cowboy.http(plug, options, server)
    :ranch.get_port(name)
  end

  # -- Memory

  @body 200_000_000

  defp memory(server) do
    for {name, plug, options} <- [
          {"alone", App, []},
          {"in Quota.Plug", Quota.Plug, [to: App, limit: @limit]}
        ] do
      port = start(server, plug, options)
      {:ok, peer, _node} = client()
      # The first one loads code and warms allocators.
      upload(peer, port, 2_000_000)
      before = settled()
      sampler = spawn_link(fn -> sample(before) end)
      {us, reply} = :timer.tc(fn -> upload(peer, port, @body) end)
      send(sampler, {:peak, self()})
      peak = receive do: ({:peak, peak} -> peak)

      IO.puts(
        "#{inspect(server)}, #{name}: an upload of #{div(@body, 1_000_000)} MB through with_body: #{Float.round(us / 1.0e6, 1)} s, " <>
          "the node grew by #{div(peak - before, 1024)} KiB at most; #{inspect(reply)}"
      )

      :peer.stop(peer)
    end
  end

  defp upload(peer, port, bytes),
    do: :peer.call(peer, Bench.Plug.Client, :upload, [port, bytes], 300_000)

  defp settled do
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    Process.sleep(200)
    :erlang.memory(:total)
  end

  defp sample(peak) do
    receive do
      {:peak, to} -> send(to, {:peak, peak})
    after
      1 -> sample(max(peak, :erlang.memory(:total)))
    end
  end

  defp median(list), do: list |> Enum.sort() |> Enum.at(div(length(list), 2))
  defp us(time), do: Float.round(time * 1.0, 1)
end

{:module, _, binary, _} =
  defmodule Bench.Plug.Client do
    def requests(port, path, connections, ms) do
      until = System.monotonic_time(:millisecond) + ms

      request =
        "GET /#{path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\naccept: */*\r\n\r\n"

      for _ <- 1..connections do
        Task.async(fn -> loop(connect(port), port, request, until, 0) end)
      end
      |> Task.await_many(60_000)
      |> Enum.sum()
    end

    defp connect(port) do
      {:ok, socket} =
        :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false, nodelay: true])

      socket
    end

    defp loop(socket, port, request, until, done) do
      if System.monotonic_time(:millisecond) < until do
        with :ok <- :gen_tcp.send(socket, request),
             {:ok, head} <- :gen_tcp.recv(socket, 0, 30_000) do
          rest(socket, head)
          loop(socket, port, request, until, done + 1)
        else
          # Cowboy closes a connection after 1,000 requests.
          {:error, :closed} -> loop(connect(port), port, request, until, done)
        end
      else
        :gen_tcp.close(socket)
        done
      end
    end

    defp rest(socket, read) do
      with [head, body] <- :binary.split(read, "\r\n\r\n"),
           [_, tail] <- :binary.split(head, "content-length: ") do
        {length, _} = Integer.parse(tail)
        left = length - byte_size(body)
        if left > 0, do: {:ok, _} = :gen_tcp.recv(socket, left, 30_000)
      else
        _ ->
          {:ok, more} = :gen_tcp.recv(socket, 0, 30_000)
          rest(socket, read <> more)
      end
    end

    @item "<i>" <> String.duplicate("0123456789", 10) <> "</i>"

    def upload(port, bytes) do
      socket = connect(port)
      count = div(bytes, byte_size(@item))
      size = count * byte_size(@item) + byte_size("<r></r>")
      head = "POST /xml HTTP/1.1\r\nhost: localhost\r\ncontent-length: #{size}\r\n\r\n<r>"
      :ok = :gen_tcp.send(socket, head)
      block = String.duplicate(@item, 500)
      for _ <- 1..div(count, 500)//1, do: :ok = :gen_tcp.send(socket, block)
      :ok = :gen_tcp.send(socket, [String.duplicate(@item, rem(count, 500)), "</r>"])
      {:ok, reply} = :gen_tcp.recv(socket, 0, 60_000)
      [_, body] = String.split(reply, "\r\n\r\n")
      :gen_tcp.close(socket)
      {count, body}
    end
  end

:persistent_term.put(Bench.Plug.Client, binary)
parts = if System.argv() == [], do: ~w(cost throughput memory), else: System.argv()
Bench.Plug.run(parts)
