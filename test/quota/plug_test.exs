defmodule Quota.PlugTest do
  # Where Plug is not there, a stand-in for what `Quota.Plug` needs of it is a module of the whole VM; and logs are captured.
  use ExUnit.Case, async: false

  import Bounded.{Eventually, PlugServer}
  import ExUnit.CaptureLog

  alias Bounded.PlugServer, as: Server

  @moduletag :capture_log
  @mib 1024 * 1024
  @sent {:plug_conn, :sent}

  setup do
    {:ok, conn: conn()}
  end

  defp grow(list), do: grow([list | list])

  defp run(conn, fun, opts \\ []), do: Quota.Plug.run(conn, 4 * @mib, fun, opts)

  defp flush_sent do
    receive do
      @sent -> 1 + flush_sent()
    after
      0 -> 0
    end
  end

  test "the work is another process, and the server is called by its owner", %{conn: conn} do
    request = self()

    conn =
      run(conn, fn conn ->
        refute self() == request
        assert Quota.usage().native == 0

        conn = %{conn | assigns: %{a: 1}, private: Map.put(conn.private, :b, 2), halted: true}
        send_resp(conn, 200, ["hel", "lo"])
      end)

    assert {Server, %Server{owner: ^request, calls: 1, seen: [{:send_resp, [200, _, body]}]}} =
             conn.adapter

    assert IO.iodata_to_binary(body) == "hello"
    assert %{assigns: %{a: 1}, private: %{b: 2}, halted: true, status: 200, owner: nil} = conn
    assert Quota.usage() == nil
    assert Process.info(self(), :message_queue_len) == {:message_queue_len, 1}
    assert flush_sent() == 1
  end

  test "every callback of an adapter", %{conn: conn} do
    conn =
      run(conn, fn conn ->
        assert {{:ok, "body"}, conn} = adapter(conn, :read_req_body, [[length: 5]])
        assert {{:more, "half"}, conn} = adapter(conn, :read_req_body, [[:more]])
        assert {{:ok, nil}, conn} = adapter(conn, :send_chunked, [200, []])
        assert {{:ok, nil}, conn} = adapter(conn, :chunk, ["part"])
        assert {:ok, conn} = adapter(conn, :chunk, ["no payload"])
        assert {{:error, :closed}, conn} = {elem(adapter(conn, :chunk, ["closed"]), 0), conn}
        assert {{:ok, nil}, conn} = adapter(conn, :send_file, [200, [], "/a", 0, :all])
        {module, state} = conn.adapter
        assert {:ok, ^state} = module.inform(state, 103, [])
        assert {:error, :not_supported} = module.inform(state, 102, [])
        assert {:ok, ^state} = module.upgrade(state, :websocket, {:handler, 1})
        assert {:error, :not_supported} = module.upgrade(state, :tcp, [])
        assert module.push(state, "/style.css", []) == :ok
        assert module.get_peer_data(state) == %{calls: 8}
        assert module.get_http_protocol(state) == :"HTTP/1.1"
        assert module.get_ssl_data(state) == nil
        assert function_exported?(module, :get_sock_data, 1)

        assert_raise RuntimeError, "get_sock_data not supported by Bounded.PlugServer", fn ->
          module.get_sock_data(state)
        end

        # The newest version is passed on by name.
        assert {:ok, ^state} = apply(module, :send_trailers, [state, [{"a", "b"}]])
        assert {:ok, :all} = apply(module, :get_everything, [state, :all])
        assert_raise UndefinedFunctionError, fn -> apply(module, :nothing, [state]) end
        assert_raise UndefinedFunctionError, fn -> apply(module, :nothing, [:other]) end
        conn
      end)

    assert {Server, %{calls: 8, seen: [{:send_trailers, [[{"a", "b"}]]} | _]}} = conn.adapter
  end

  test "a body is not waited for longer than the work may take", %{conn: conn} do
    read = fn options, opts ->
      read = fn conn -> conn |> adapter(:read_req_body, [options]) |> elem(1) end
      assert {Server, %{seen: [{:read_req_body, seen}]}} = run(conn, read, opts).adapter
      seen
    end

    assert read.([length: 5], []) == [length: 5]
    assert [length: 5, read_timeout: left] = read.([length: 5], timeout: 9_000)
    assert left in 1..9_000
    assert [read_timeout: left] = read.([read_timeout: :infinity], timeout: 9_000)
    assert left in 1..9_000
    assert read.([read_timeout: 10], timeout: 9_000) == [read_timeout: 10]
    # As long as without the plug, where more than that is left.
    assert read.([], timeout: 60_000) == [read_timeout: 15_000]
  end

  test "what the adapter raises is raised in the work, and what the work raises in the request",
       %{
         conn: conn
       } do
    conn =
      run(conn, fn conn ->
        assert_raise ArgumentError, "the client is gone", fn ->
          adapter(conn, :read_req_body, [[:raise]])
        end

        conn
      end)

    assert {Server, %{calls: 0}} = conn.adapter
    assert_raise RuntimeError, "oops", fn -> run(conn, fn _ -> raise "oops" end) end
    assert catch_throw(run(conn, fn _ -> throw(:away) end)) == :away
    assert catch_exit(run(conn, fn _ -> exit(:gone) end)) == :gone
    assert {:killed, _} = catch_exit(run(conn, fn _ -> Process.exit(self(), :kill) end))
  end

  test "an error that has a conn has the server's adapter", %{conn: conn} do
    error =
      catch_error(
        run(conn, fn conn ->
          {_, conn} = adapter(conn, :read_req_body, [[]])
          inner = %{__struct__: NoRoute, __exception__: true, conn: conn}

          :erlang.error(%{
            __struct__: Plug.Conn.WrapperError,
            __exception__: true,
            conn: conn,
            kind: :error,
            reason: inner,
            stack: []
          })
        end)
      )

    assert {Server, %{calls: 1}} = error.conn.adapter
    assert {Server, %{calls: 1}} = error.reason.conn.adapter
  end

  test "a breach before the response is a 503, or the status asked for", %{conn: conn} do
    conn = %{conn | resp_headers: [{"x-request-id", "1"}]}

    for {opts, status} <- [{[], 503}, {[status: 413], 413}] do
      answer = run(conn, fn _ -> grow([]) end, opts)
      assert %{status: ^status, halted: true, state: :sent} = answer
      assert {Server, %{seen: [{:send_resp, [^status, headers, ""]}]}} = answer.adapter
      assert {"x-request-id", "1"} in headers
    end

    # Native memory is refused within the work.
    assert %{status: 503} =
             run(conn, fn _ -> BoundedBinary.copy(:binary.copy("x", 3 * @mib), 10 * @mib) end)

    assert %{status: 503} = run(conn, fn _ -> raise_own() end)
    assert Quota.usage() == nil
    assert {:max_heap_size, %{size: 0}} = Process.info(self(), :max_heap_size)
    assert %{state: :unset} = run(conn, & &1)
  end

  # As a plug that is built with Plug.Builder would have it.
  defp raise_own do
    BoundedBinary.inflate(:zlib.gzip(<<0::size(64 * @mib)-unit(8)>>), max_bytes: 64 * @mib)
  rescue
    error in Quota.ExceededError ->
      :erlang.error(%{
        __struct__: Plug.Conn.WrapperError,
        __exception__: true,
        conn: nil,
        kind: :error,
        reason: error,
        stack: []
      })
  end

  test "a breach after the response has begun makes the server close the connection", %{
    conn: conn
  } do
    error =
      assert_raise Quota.ExceededError, fn ->
        run(conn, fn conn ->
          {{:ok, _}, _conn} = adapter(conn, :send_chunked, [200, []])
          grow([])
        end)
      end

    # Servers report 500 to 599.
    assert error.plug_status == 499
    assert flush_sent() == 1
  end

  test "a breach of what runs inside is the application's", %{conn: conn} do
    assert_raise Quota.ExceededError, fn ->
      run(conn, fn _ -> Quota.run(@mib, fn -> grow([]) end) end)
    end
  end

  test "a response that would become too large by being copied is a breach", %{conn: conn} do
    # 80 pairs that stand for a response of 8 TiB.
    bomb = Enum.reduce(1..40, ["01234567"], fn _, list -> [list | list] end)
    assert %{status: 503} = run(conn, &send_resp(&1, 200, bomb))

    assert %{status: 503} =
             run(conn, fn conn ->
               {_, ref} = spawn_monitor(fn -> send_resp(conn, 200, bomb) end)
               assert_receive {:DOWN, ^ref, _, _, _}, 60_000
             end)
  end

  test "what is only observed is answered by the application", %{conn: conn} do
    # More than the limit, once copied.
    large = List.duplicate(["01234567"], 200_000)
    assert %{status: 200} = run(conn, &send_resp(&1, 200, large), mode: :observe)
    assert %{status: 503} = run(conn, &send_resp(&1, 200, large))
  end

  test "a timeout is a 504", %{conn: conn} do
    assert %{status: 504, halted: true} =
             run(conn, fn _ -> Process.sleep(:infinity) end, timeout: 20)
  end

  test "a full pool is a 503 with retry-after, and not logged", %{conn: conn} do
    start_supervised!({Quota.Pool, name: __MODULE__.Pool, size: 24 * @mib})
    test = self()

    holder =
      Task.async(fn ->
        Quota.run(
          10 * @mib,
          fn ->
            send(test, :held)
            Process.sleep(:infinity)
          end,
          pool: __MODULE__.Pool
        )
      end)

    assert_receive :held

    log =
      logged(fn ->
        answer = run(conn, & &1, pool: __MODULE__.Pool, retry_after: 7)
        assert %{status: 503, halted: true} = answer
        assert {"retry-after", "7"} in answer.resp_headers
      end)

    assert log == ""
    Task.shutdown(holder, :brutal_kill)
  end

  test "one line for a breach", %{conn: conn} do
    label = "breach #{System.unique_integer()}"

    log =
      logged(fn ->
        for _ <- 1..3, do: run(conn, fn _ -> grow([]) end, label: label)

        assert_raise Quota.ExceededError, fn ->
          run(
            conn,
            fn conn ->
              adapter(conn, :send_chunked, [200, []])
              grow([])
            end,
            label: "#{label} late"
          )
        end
      end)

    assert [early, late] = log |> String.split("\n", trim: true) |> Enum.sort()
    assert early =~ "Quota.Plug answered 503: the work #{inspect(label)} needed more than"
    assert late =~ "Quota.Plug had the connection closed: the work #{inspect(label <> " late")}"
  end

  # Lines are written by processes of their own.
  defp logged(fun) do
    Application.put_env(:bounded, :log_breaches, true)

    capture_log([format: "$message\n"], fn ->
      fun.()
      eventually(fn -> assert writers() == [] end)
    end)
  after
    Application.put_env(:bounded, :log_breaches, false)
  end

  defp writers do
    write = {:initial_call, {Quota.Account.BreachLog, :write, 4}}
    Enum.filter(Process.list(), &(Process.info(&1, :initial_call) == write))
  end

  test "the work is watched although requests keep coming", %{conn: conn} do
    binary = :binary.copy("x", 1000)

    work = fn conn ->
      {_, conn} = adapter(conn, :send_chunked, [200, []])

      Enum.reduce(Stream.cycle([1]), [], fn _, kept ->
        adapter(conn, :chunk, ["part"])
        [:binary.copy(binary, 100) | kept]
      end)
    end

    assert_raise Quota.ExceededError, fn -> run(conn, work) end
  end

  test "both processes hear that a response was sent", %{conn: conn} do
    for owner <- [nil, self()] do
      run(%{conn | owner: owner}, fn conn ->
        if owner, do: assert(conn.owner == self())
        conn = send_resp(conn, 200, "")
        assert flush_sent() == 1
        conn
      end)

      # By the server, and by what stands in for Plug.
      assert flush_sent() == if(owner, do: 2, else: 1)
    end
  end

  test "context goes with the work and comes back", %{conn: conn} do
    Logger.metadata(request_id: "before")
    Process.put(:mine, 1)
    Process.put(:plug_unmasked_csrf_token, "token")
    request = self()

    run(
      conn,
      fn conn ->
        assert Logger.metadata()[:request_id] == "before"
        assert [^request | _] = Process.get(:"$callers")
        assert {Process.get(:mine), Process.get(:plug_unmasked_csrf_token)} == {1, "token"}
        Logger.metadata(user: 7)
        Process.put(:mine, 2)
        Process.delete(:plug_unmasked_csrf_token)
        conn
      end,
      inherit: [:mine]
    )

    assert Logger.metadata()[:user] == 7
    assert {Process.get(:mine), Process.get(:plug_unmasked_csrf_token)} == {2, nil}

    assert_raise RuntimeError, fn ->
      run(conn, fn _ ->
        Logger.metadata(user: 8)
        raise "oops"
      end)
    end

    assert Logger.metadata()[:user] == 8
    assert Process.info(self(), :message_queue_len) == {:message_queue_len, 0}
  after
    Logger.reset_metadata()
  end

  test "a conn that was kept can call nobody once the work is over", %{conn: conn} do
    test = self()

    run(conn, fn conn ->
      spawn(fn ->
        send(test, {:child, self(), adapter(conn, :chunk, ["by a child"])})
        receive do: (:go -> send(test, catch_error(adapter(conn, :chunk, ["late"]))))
      end)

      receive do: (:never -> :ok), after: (50 -> :ok)
      %{conn | assigns: %{kept: fn -> adapter(conn, :chunk, ["late"]) end}}
    end).assigns.kept
    |> then(&assert_raise(RuntimeError, ~r/whose work is over/, &1))

    assert_receive {:child, child, {{:ok, nil}, _}}
    send(child, :go)
    assert_receive %RuntimeError{message: "chunk was called on a conn of Quota.Plug" <> _}
  end

  test "a plug within a plug", %{conn: conn} do
    request = self()

    conn =
      run(conn, fn conn ->
        conn = Quota.Plug.run(conn, @mib, fn conn -> send_resp(conn, 200, "inner") end)
        assert {Quota.Plug.Adapter, _} = conn.adapter
        {_, conn} = adapter(conn, :chunk, ["outer"])
        conn
      end)

    assert {Server, %{owner: ^request, calls: 2}} = conn.adapter
  end
end
