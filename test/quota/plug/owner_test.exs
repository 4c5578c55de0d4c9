defmodule Quota.Plug.OwnerTest do
  # The process that owns the connection calls the server's adapter for the work.
  use ExUnit.Case, async: false

  alias Quota.Plug.{Adapter, Owner}

  # An adapter of a newer Plug, whose callbacks this library does not know.
  defmodule Newer do
    defstruct calls: 0

    def trailers(state, result), do: result.(state)
    def read_req_body(state, options), do: {:ok, options, state}
    def fails(_state), do: raise("no")
  end

  setup do
    conn = Bounded.PlugServer.conn()
    {:ok, conn: %{conn | adapter: {Newer, %Newer{}}}}
  end

  defp open(conn), do: Owner.open(conn, 1_000_000)

  # What the work is answered.
  defp call(serving, callback, args, left \\ :infinity) do
    tag = make_ref()
    assert Owner.serve(serving, {:call, self(), tag, callback, args}, left) == :ok
    assert_received {^tag, answer}
    answer
  end

  defp payload(serving), do: serving |> Owner.conn() |> Map.fetch!(:adapter) |> elem(1)

  test "the payload of an unknown callback is what looks like the old one", %{conn: conn} do
    {serving, _} = open(conn)
    newer = fn result -> call(serving, :trailers, [result]) end

    assert newer.(&{:ok, %{&1 | calls: 1}}) == {:with_payload, :ok}
    assert payload(serving) == %Newer{calls: 1}
    assert newer.(&{:ok, :value, %{&1 | calls: 2}}) == {:with_payload, :ok, :value}
    assert payload(serving) == %Newer{calls: 2}

    # A struct of another kind, and what is none, are results.
    for result <- [{:ok, %URI{}}, {:ok, :value, :other}, {:ok, 7}, :done, {:error, :closed}] do
      assert newer.(fn _ -> result end) == {:returned, result}
      assert payload(serving) == %Newer{calls: 2}
    end

    Owner.close(serving)
  end

  test "payloads that are plain maps or other terms are known by their keys, or as the same",
       context do
    for {old, new, known?} <- [
          {%{a: 1}, %{a: 2}, true},
          {%{a: 1}, %{a: 2, b: 3}, true},
          {%{a: 1}, %{b: 3}, false},
          {%{a: 1}, %URI{}, false},
          {:socket, :socket, true},
          {:socket, :other, false}
        ] do
      {serving, _} = open(%{context.conn | adapter: {Newer, old}})
      answer = call(serving, :trailers, [fn ^old -> {:ok, new} end])
      assert answer == if(known?, do: {:with_payload, :ok}, else: {:returned, {:ok, new}})
      assert payload(serving) == if(known?, do: new, else: old)
      Owner.close(serving)
    end
  end

  test "a body is waited for as long as is left of the time", %{conn: conn} do
    {serving, _} = open(conn)
    read = fn options, left -> call(serving, :read_req_body, [options], left) end
    assert read.([], 500) == {:with_payload, :ok, [read_timeout: 500]}
    assert read.([read_timeout: 100], 500) == {:with_payload, :ok, [read_timeout: 100]}
    assert read.([], 60_000) == {:with_payload, :ok, [read_timeout: 15_000]}
    assert read.([length: 1], :infinity) == {:with_payload, :ok, [length: 1]}
    Owner.close(serving)
  end

  test "what the adapter raises is raised in the work; terms that are too large are served nowhere",
       context do
    {serving, _} = open(context.conn)
    assert {:raised, :error, %RuntimeError{message: "no"}, [_ | _]} = call(serving, :fails, [])
    assert Owner.serve(serving, :too_large, 5) == :too_large
    Owner.close(serving)
  end

  test "late requests are dropped, and the server's adapter is back in any result", %{conn: conn} do
    {serving, inner} = open(conn)
    assert {Adapter, %Adapter{}} = inner.adapter
    assert Owner.returned(inner, serving).adapter == {Newer, %Newer{}}
    assert Owner.returned(:no_conn, serving) == :no_conn
    error = %{__exception__: true, __struct__: Some.Error, conn: inner, reason: inner}

    assert %{conn: %{adapter: {Newer, _}}, reason: %{adapter: {Newer, _}}} =
             Owner.restore(error, serving)

    assert Owner.restore({:exit, 1}, serving) == {:exit, 1}

    for n <- 1..3, do: send(self(), {serving, n})
    send(self(), :other)
    Owner.close(serving)
    assert Process.info(self(), :messages) == {:messages, [:other]}
    assert Process.get(serving) == nil
  end

  test "arguments of a callback that do not fit in the limit end the work" do
    limit = 4 * 1024 * 1024

    # Within the limit as it is, and far over it where each header is copied.
    call = fn count ->
      Quota.Plug.run(Bounded.PlugServer.conn(), limit, fn %{adapter: {module, state}} = conn ->
        header = {"name", Enum.to_list(1..1_000)}
        module.inform(state, 103, List.duplicate(header, count))
        conn
      end)
    end

    assert {_, %{seen: [{:inform, [103, [_, _]]}]}} = call.(2).adapter
    refused = call.(10_000)
    assert refused.status == 503 and refused.halted
    assert {_, %{seen: [{:send_resp, [503, _, ""]}]}} = refused.adapter
  end

  test "the result of the work may be anything" do
    assert Quota.Plug.run(Bounded.PlugServer.conn(), 1_000_000, fn _ -> :no_conn end) == :no_conn
  end
end
