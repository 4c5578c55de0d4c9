defmodule BoundedXml.ConnTest do
  # A stand-in for Plug is a module of the whole VM.
  use ExUnit.Case, async: false

  import Bounded.PlugServer

  alias BoundedBinary.DecodeError
  alias BoundedXml.{Conn, ParseError}

  @pieces ["<r><i>on", "e</i><i>t", "wo</i></r>"]

  defp items(source), do: source |> BoundedXml.select("r/i") |> Enum.to_list()
  defp calls(%{adapter: {_, state}}), do: state.calls

  test "the result, and the conn that has read the body" do
    conn = conn(@pieces)
    assert {[{"i", [], ["one"]}, {"i", [], ["two"]}], read} = Conn.with_body(conn, [], &items/1)
    assert {calls(conn), calls(read)} == {0, 3}
    {_, %{seen: [{:read_req_body, [options]} | _]}} = read.adapter
    assert Enum.sort(options) == [length: 65_536, read_length: 65_536, read_timeout: 15_000]
    refute Enum.any?(Process.get_keys(), &match?({Conn, _}, &1))
  end

  test "what is not needed is not read, and an enumeration goes on where the last one stopped" do
    first = fn source -> source |> BoundedXml.select("r/i") |> Enum.take(1) end
    assert {[{"i", [], ["one"]}], conn} = Conn.with_body(conn(@pieces), [], first)
    assert calls(conn) == 2
    twice = fn source -> {Enum.take(source, 1), Enum.to_list(source), Enum.to_list(source)} end
    [one | others] = @pieces
    assert {{[^one], ^others, []}, _} = Conn.with_body(conn(@pieces), [], twice)
    assert {:untouched, conn} = Conn.with_body(conn(@pieces), [], fn _ -> :untouched end)
    assert calls(conn) == 0
  end

  test "within Quota.Plug" do
    conn =
      Quota.Plug.run(conn(@pieces), 4 * 1024 * 1024, fn conn ->
        {items, conn} = Conn.with_body(conn, [], &items/1)
        send_resp(conn, 200, "#{length(items)} items")
      end)

    assert {_, %{calls: 4, seen: [{:send_resp, [200, _, "2 items"]} | _]}} = conn.adapter
  end

  test "max_bytes bounds what is read and what is declared" do
    size = @pieces |> IO.iodata_length()
    assert {[_, _], _} = Conn.with_body(conn(@pieces), [max_bytes: size], &items/1)
    assert {[_, _], _} = Conn.with_body(conn(@pieces), [max_bytes: :infinity], &items/1)

    for conn <- [conn(@pieces), declared(conn(@pieces), size)] do
      error =
        assert_raise DecodeError, ~r/more than #{size - 1} bytes/, fn ->
          Conn.with_body(conn, [max_bytes: size - 1], &items/1)
        end

      assert {error.kind, error.plug_status} == {:limit, 413}
    end

    # What is declared is refused unread.
    assert_raise DecodeError, fn ->
      Conn.with_body(declared(conn([]), size), [max_bytes: 1], fn _ -> flunk("not called") end)
    end

    assert {:done, _} = Conn.with_body(declared(conn([]), "x"), [], fn _ -> :done end)
    patient = [read_timeout: :infinity, max_bytes: :infinity]
    assert {[_ | _], _} = Conn.with_body(conn(@pieces), patient, &items/1)
  end

  defp declared(conn, length),
    do: %{conn | req_headers: [{"content-length", to_string(length)}]}

  test "errors of the document and of the connection" do
    assert_raise ParseError, fn -> Conn.with_body(conn(["<r>", "</q>"]), [], &items/1) end

    error =
      assert_raise DecodeError, ~r/could not be read: :timeout/, fn ->
        Conn.with_body(conn(["<r>", {:error, :timeout}]), [], &items/1)
      end

    assert {error.kind, error.plug_status} == {:truncated, 400}
    assert Process.get_keys() |> Enum.filter(&match?({Conn, _}, &1)) == []
  end

  test "the source belongs to the process and to the call" do
    {source, _} = Conn.with_body(conn(@pieces), [], & &1)
    assert_raise ArgumentError, ~r/only inside BoundedXml.Conn.with_body/, fn -> items(source) end

    Conn.with_body(conn(@pieces), [], fn source ->
      Task.await(
        Task.async(fn ->
          assert_raise ArgumentError, ~r/by the process that called it/, fn -> items(source) end
        end)
      )
    end)
  end

  test "options that make no sense" do
    for {opts, message} <- [
          {[max_bytes: 0], ":max_bytes must be a positive integer or :infinity, got: 0"},
          {[read_timeout: -1],
           ":read_timeout must be a number of milliseconds from 0, or :infinity, got: -1"},
          {:none, "the options must be a keyword list, got: :none"}
        ] do
      assert_raise ArgumentError, message, fn -> Conn.with_body(conn([]), opts, & &1) end
    end

    assert_raise ArgumentError, fn -> Conn.with_body(conn([]), [other: 1], & &1) end
  end
end
