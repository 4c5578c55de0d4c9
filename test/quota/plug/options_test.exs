defmodule Quota.PlugOptionsTest do
  # A stand-in for Plug is a module of the whole VM.
  use ExUnit.Case, async: false

  @mib 1024 * 1024

  defmodule Routes do
    def init(options), do: {:initialized, options}
    def call(conn, options), do: %{conn | assigns: %{options: options, usage: Quota.usage()}}
  end

  defmodule Described do
    def init(options), do: options
    def call(conn, _options), do: %{conn | assigns: described()}

    def described do
      %{label: label, limit: limit} = Enum.find(Quota.list(), &(&1.pid == self()))
      {label, limit}
    end
  end

  setup do
    {:ok, conn: Bounded.PlugServer.conn()}
  end

  test "calls the plug with its options", %{conn: conn} do
    for {to, options} <- [{Routes, []}, {{Routes, [a: 1]}, [a: 1]}] do
      conn = Quota.Plug.call(conn, Quota.Plug.init(to: to, limit: @mib))
      assert %{options: {:initialized, ^options}, usage: %Quota.Usage{}} = conn.assigns
    end

    plug = Quota.Plug.init(to: &%{&1 | status: 204}, limit: @mib)
    assert Quota.Plug.call(conn, plug).status == 204
  end

  test "the longest prefix of whole segments has the limit", %{conn: conn} do
    plug =
      Quota.Plug.init(
        to: fn conn -> %{conn | assigns: Described.described()} end,
        limits: [
          {"/", 2 * @mib},
          {"/upload", 8 * @mib, status: 413},
          {"/upload/small/", @mib, label: :small}
        ]
      )

    for {path, label, limit} <- [
          {[], "GET /", 2},
          {["uploads"], "GET /", 2},
          {["upload"], "GET /upload", 8},
          {["%75pload", "a"], "GET /upload", 8},
          {["upload%"], "GET /", 2},
          {["upload", "small", "1"], :small, 1}
        ] do
      assert Quota.Plug.call(%{conn | path_info: path}, plug).assigns ==
               {label, limit * @mib}
    end

    partial =
      Quota.Plug.init(to: &%{&1 | assigns: Quota.usage()}, limits: [{"/upload", 8 * @mib}])

    assert Quota.Plug.call(%{conn | path_info: ["a"]}, partial).assigns == nil
  end

  test "a function has the limit", %{conn: conn} do
    plug =
      Quota.Plug.init(
        to: fn conn -> %{conn | assigns: if(Quota.usage(), do: Described.described())} end,
        limit: fn
          %{method: "POST"} -> {8 * @mib, label: "post"}
          %{method: "GET"} -> @mib
          _ -> nil
        end
      )

    assert {label, @mib} = Quota.Plug.call(conn, plug).assigns
    assert label == "GET *"
    assert {"post", 8 * @mib} == Quota.Plug.call(%{conn | method: "POST"}, plug).assigns
    assert nil == Quota.Plug.call(%{conn | method: "HEAD"}, plug).assigns
  end

  test "labels never have what a client can choose", %{conn: conn} do
    route = fn conn, opts ->
      Quota.Plug.run(conn, @mib, &%{&1 | assigns: Described.described()}, opts)
    end

    label = fn conn, opts -> route.(conn, opts).assigns |> elem(0) end
    conn = %{conn | path_info: ["users", "7"], script_name: ["api"]}
    assert label.(conn, []) == "GET *"
    assert label.(%{conn | method: "x-1"}, []) == "OTHER *"
    matched = %{conn | private: %{plug_route: {"/users/:id", & &1}}}
    assert label.(matched, []) == "GET /users/:id"
    phoenix = %{conn | private: %{phoenix_controller: Some.Users, phoenix_action: :show}}
    assert label.(phoenix, []) == "GET Some.Users.show"
    assert label.(conn, label: & &1.method) == "GET"

    routed = Quota.Plug.init(to: Described, limit: @mib)
    assert {"GET Quota.PlugOptionsTest.Described", _} = Quota.Plug.call(conn, routed).assigns
  end

  test "options that make no sense raise where the pipeline is built", %{conn: conn} do
    for {opts, message} <- [
          {[limit: 1], ~r/:to must be a plug/},
          {[to: Routes], ~r/either limit:, bytes/},
          {[to: Routes, limit: 1], ~r/the limit must be from/},
          {[to: Routes, limit: @mib, limits: []], ~r/either limit:/},
          {[to: Routes, limits: [{"upload", @mib}]], ~r/an element of :limits must be/},
          {[to: Routes, limits: [{"/", 1}]], ~r/the limit must be from/},
          {[to: Routes, limit: @mib, status: 200], ~r/:status must be from 400/},
          {[to: Routes, limit: @mib, retry_after: -1],
           ~r/:retry_after must be a number of seconds/},
          {[to: Routes, limit: @mib, timeout: -1], ~r/:timeout must be from/},
          {[to: Routes, limit: @mib, other: 1], ~r/unknown options \[:other\]/}
        ] do
      assert_raise ArgumentError, message, fn -> Quota.Plug.init(opts) end
    end

    assert_raise ArgumentError, ~r/unknown options \[:to\]/, fn ->
      Quota.Plug.run(conn, @mib, & &1, to: 1)
    end

    assert_raise ArgumentError, ~r/the limit must be/, fn -> Quota.Plug.run(conn, 1, & &1) end
  end

  test "a conn belongs to this node" do
    for options <- [[node: :any], [retry: :safe]] do
      assert_raise ArgumentError, ~r/unknown options/, fn ->
        Quota.Plug.Options.new([to: fn conn -> conn end, limit: Quota.mib(1)] ++ options)
      end
    end
  end
end
