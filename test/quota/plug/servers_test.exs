# `Quota.Plug` on real servers. They are no dependency: `ERL_LIBS=folder-of-libraries mix test test/quota/plug/servers_test.exs`
# runs it where Plug, Bandit or Plug.Cowboy are in that folder.
if Bounded.PlugServers.all() != [] do
  Code.require_file("../../fixtures/plug_app.exs", __DIR__)

  defmodule Quota.PlugServersTest do
    use ExUnit.Case, async: false

    import Bounded.Eventually
    import Bounded.HTTPClient
    import ExUnit.CaptureLog

    alias Bounded.{PlugApp, PlugServers}

    @moduletag :servers
    @moduletag :capture_log
    @mib 1024 * 1024
    @limit [limit: 8 * @mib]

    @requests [
      {"GET", "/hello", [], ""},
      {"GET", "/hello", [{"accept-encoding", "gzip"}], ""},
      {"HEAD", "/head", [], ""},
      {"GET", "/empty", [], ""},
      {"GET", "/set", [], ""},
      {"GET", "/file", [], ""},
      {"GET", "/large", [], ""},
      {"GET", "/users/7", [], ""},
      {"GET", "/chunks", [], ""},
      {"POST", "/echo", [], "the body"},
      {"POST", "/xml", [], "<r><i/><i/></r>"},
      {"POST", "/form", [{"content-type", "application/x-www-form-urlencoded"}], "a=1&b[]=2"},
      {"GET", "/session", [], ""},
      {"GET", "/before_send", [], ""},
      {"GET", "/peer", [], ""},
      {"GET", "/inform", [], ""},
      {"GET", "/nowhere", [], ""}
    ]

    setup %{server: server} = context do
      options = Map.get(context, :options, @limit)
      around = [to: PlugApp, test: self()] ++ options
      {:ok, port: PlugServers.start(server, PlugApp.Around, around)}
    end

    # The response, how long it took in milliseconds, and whether the connection goes on.
    defp timed(fun) do
      started = System.monotonic_time(:millisecond)
      result = fun.()
      {result, System.monotonic_time(:millisecond) - started}
    end

    def label(conn), do: {conn.private.server, conn.path_info}

    defp writers do
      write = {:initial_call, {Quota.Account.BreachLog, :write, 4}}
      Enum.filter(Process.list(), &(Process.info(&1, :initial_call) == write))
    end

    defp at_rest, do: eventually(fn -> assert Quota.list() == [] end)

    # Headers in any order, without what is different each time.
    defp same({status, headers, body, how}),
      do: {status, headers |> Enum.reject(&(elem(&1, 0) == "date")) |> Enum.sort(), body, how}

    for server <- PlugServers.all() do
      describe inspect(server) do
        @describetag server: server

        test "HTTP/1: byte for byte the responses without the plug, on one connection", context do
          bare = connect(PlugServers.start(context.server, PlugApp, []))
          limited = connect(context.port)

          for {method, path, headers, body} <- @requests, _ <- 1..3 do
            expected = same(request(bare, method, path, headers, body))
            assert same(request(limited, method, path, headers, body)) == expected
          end

          at_rest()
        end

        test "HTTP/2: the same", context do
          bare = connect2(PlugServers.start(context.server, PlugApp, []))
          limited = connect2(context.port)

          for {method, path, headers, body} <- @requests,
              path != "/large",
              reduce: {bare, limited} do
            {bare, limited} ->
              {expected, bare} = request2(bare, method, path, headers, body)
              {response, limited} = request2(limited, method, path, headers, body)
              assert {path, same(response)} == {path, same(expected)}
              {bare, limited}
          end
        end

        @tag options: [limits: [{"/grow", 4 * @mib}, {"/heavy", 4 * @mib}, {"/limit", 4 * @mib}]]
        test "no limit is left to the next request of the connection", %{port: port} do
          socket = connect(port)

          for _ <- 1..5, reduce: connect2(port) do
            connection ->
              assert {200, _, "true", :whole} = request(socket, "GET", "/limit")
              assert {503, _, "", :whole} = request(socket, "GET", "/heavy")
              assert {200, _, "hello", :whole} = request(socket, "GET", "/hello")
              # The same without a limit.
              assert {200, _, "1000000", :whole} = request(socket, "GET", "/heavy-too")

              {response, connection} = request2(connection, "GET", "/heavy")
              assert {503, _, "", :whole} = response
              {response, connection} = request2(connection, "GET", "/heavy-too")
              assert {200, _, "1000000", :whole} = response
              connection
          end

          at_rest()
        end

        @tag options: [limits: [{"/", 4 * @mib}, {"/grow", 4 * @mib, status: 413}]]
        test "a breach before the response is answered at once", %{port: port} do
          {response, time} = timed(fn -> request(connect(port), "GET", "/grow") end)
          assert {413, _, "", :whole} = response
          assert time < 1_000
          {{response, _}, time} = timed(fn -> request2(connect2(port), "GET", "/heavy") end)
          assert {503, _, "", :whole} = response
          assert time < 1_000
        end

        test "a breach after the response has begun ends as the server ends it", context do
          %{port: port, server: server} = context
          bare = PlugServers.start(server, PlugApp, [])
          {response, time} = timed(fn -> request(connect(port), "GET", "/grow-late") end)
          {expected, _} = timed(fn -> request(connect(bare), "GET", "/raise-late") end)
          assert {200, _, "begun", how} = response
          assert {200, _, "begun", ^how} = expected
          assert time < 1_000
          {{response, _}, time} = timed(fn -> request2(connect2(port), "GET", "/grow-late") end)
          assert {200, _, "begun", :cut} = response
          assert time < 1_000
          assert {200, _, "hello", :whole} = request(connect(port), "GET", "/hello")
          at_rest()
        end

        @tag options: [limit: 8 * @mib, timeout: 50]
        test "a timeout is answered", %{port: port} do
          assert {504, _, "", :whole} = request(connect(port), "GET", "/slow")
          assert {{504, _, "", :whole}, _} = request2(connect2(port), "GET", "/slow")
          at_rest()
        end

        # Without a limit of its own, the server would wait for the body for 15 seconds. Plug.Cowboy asks Cowboy again after each wait,
        # until that closes the connection.
        if server == Bandit do
          @tag options: [limit: 8 * @mib, timeout: 200]
          test "a timeout is answered while a client sends nothing", %{port: port} do
            socket = connect(port)
            head = "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10000\r\n\r\nabc"
            :ok = :gen_tcp.send(socket, head)
            {{status, _, _, _}, time} = timed(fn -> response(socket, "POST") end)
            # Or the server's own refusal of what did not come.
            assert status in [504, 408]
            assert time < 2_000
            at_rest()
          end
        end

        test "errors of the application are those without the plug", context do
          bare = PlugServers.start(context.server, PlugApp, [])

          for path <- ["/raise", "/not-sent"] do
            expected = same(request(connect(bare), "GET", path))
            assert {500, _, _, _} = expected
            assert same(request(connect(context.port), "GET", path)) == expected
            {expected, _} = request2(connect2(bare), "GET", path)
            {response, _} = request2(connect2(context.port), "GET", path)
            assert same(response) == same(expected)
          end
        end

        test "a body in chunks", %{port: port} do
          socket = connect(port)

          for _ <- 1..3 do
            start(socket, "POST", "/echo", [{"transfer-encoding", "chunked"}])

            for part <- ["5\r\nhello\r\n", "7\r\n, world\r\n", "0\r\n\r\n"],
                do: :gen_tcp.send(socket, part)

            assert {200, _, "hello, world", :whole} = response(socket)
          end
        end

        test "an upload is there when the work is over", %{port: port} do
          socket = connect(port)
          file = :binary.copy("0123456789", 100_000)

          body =
            "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n" <>
              "content-type: text/plain\r\n\r\n#{file}\r\n--edge--\r\n"

          type = [{"content-type", "multipart/form-data; boundary=edge"}]

          for _ <- 1..20 do
            assert {200, _, "a.txt 1000000", :whole} =
                     request(socket, "POST", "/upload", type, body)

            assert_receive {:upload, true}
          end
        end

        test "a client that is gone leaves nothing behind", %{port: port} do
          for path <- ["/slow-chunks", "/grow-late", "/grow"], _ <- 1..5 do
            socket = connect(port)
            start(socket, "GET", path)
            close(socket)
          end

          socket = connect(port)
          start(socket, "POST", "/echo", [{"content-length", "1000"}], "")
          :gen_tcp.send(socket, "half")
          close(socket)
          at_rest()
          assert {200, _, "hello", :whole} = request(connect(port), "GET", "/hello")
        end

        @tag options: [limit: 8 * @mib, pool: __MODULE__.Pool, retry_after: 3]
        test "a full pool is a 503 with retry-after", %{port: port} do
          start_supervised!({Quota.Pool, name: __MODULE__.Pool, size: 16 * @mib})
          waiting = connect(port)
          start(waiting, "GET", "/slow")
          eventually(fn -> assert [_] = Quota.list() end)
          assert {503, headers, "", :whole} = request(connect(port), "GET", "/hello")
          assert {"retry-after", "3"} in headers
          assert {{503, headers, "", :whole}, _} = request2(connect2(port), "GET", "/hello")
          assert {"retry-after", "3"} in headers
          close(waiting)
        end

        test "a socket has a limit of its own, and its client sees it close", %{port: port} do
          socket = websocket(port, "/socket")
          assert say(socket, "report 1000") == "1000 rows"
          assert say(socket, "report 3000000") == "too large"
          assert [%{label: "socket"}] = Quota.list()
          {reply, time} = timed(fn -> say(socket, "keep 3000000") end)
          assert reply == :closed
          assert time < 1_000
          assert say(websocket(port, "/socket"), "keep 100") == "100 kept"
        end

        @tag options: [limit: 4 * @mib, label: &__MODULE__.label/1]
        test "a breach is one line in the log, before and after the response has begun",
             context do
          Application.put_env(:bounded, :log_breaches, true)

          log =
            capture_log([format: "$level $message\n"], fn ->
              assert {503, _, "", :whole} = request(connect(context.port), "GET", "/grow")
              assert {200, _, "begun", _} = request(connect(context.port), "GET", "/grow-late")
              assert {{200, _, _, :cut}, _} = request2(connect2(context.port), "GET", "/grow-2")
              eventually(fn -> assert writers() == [] end)
              # A request that is served after what the server had to say of those before.
              assert {200, _, _, :whole} = request(connect(context.port), "GET", "/hello")
            end)

          lines = log |> String.split("\n", trim: true) |> Enum.map(&String.slice(&1, 0, 24))

          assert Enum.sort(lines) == [
                   "error Quota.Plug answere",
                   "error Quota.Plug had the",
                   "error Quota.Plug had the"
                 ]
        after
          Application.put_env(:bounded, :log_breaches, false)
        end

        test "200 connections", %{port: port} do
          clients =
            for i <- 1..200 do
              Task.async(fn ->
                socket = connect(port)

                # One in ten goes over its limit, once.
                if rem(i, 10) == 0,
                  do: assert({503, _, "", :whole} = request(socket, "GET", "/grow"))

                for _ <- 1..5 do
                  assert {200, _, "hello", :whole} = request(socket, "GET", "/hello")
                  assert {200, _, "part 1" <> _, :whole} = request(socket, "GET", "/chunks")
                  {200, _, body, :whole} = request(socket, "POST", "/echo", [], "body #{i}")
                  assert body == "body #{i}"
                end
              end)
            end

          Task.await_many(clients, 60_000)
          at_rest()
        end
      end
    end
  end
end
