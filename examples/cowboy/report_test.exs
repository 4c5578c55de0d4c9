# Debian forky has Cowboy: `apt-get install erlang-cowboy`.
if Code.ensure_loaded?(:cowboy) do
  Code.require_file("report.ex", __DIR__)

  defmodule Examples.Cowboy.ReportTest do
    use ExUnit.Case, async: true

    import Bounded.HTTPClient

    setup_all do
      {:ok, _} = Application.ensure_all_started(:cowboy)
      routes = [{"/report/:rows", Examples.Cowboy.Report, []}]
      dispatch = apply(:cowboy_router, :compile, [[{:_, routes}]])

      {:ok, _} =
        apply(:cowboy, :start_clear, [
          __MODULE__,
          [port: 0, ip: {127, 0, 0, 1}],
          %{env: %{dispatch: dispatch}}
        ])

      on_exit(fn -> apply(:cowboy, :stop_listener, [__MODULE__]) end)
      {:ok, port: apply(:ranch, :get_port, [__MODULE__])}
    end

    test "a breach is a 503, and the next request of the connection is served", %{port: port} do
      socket = connect(port)
      assert {200, _, "1\n2\n3", :whole} = request(socket, "GET", "/report/3")
      assert {503, _, "", :whole} = request(socket, "GET", "/report/3000000")
      assert {200, _, "1\n2\n3", :whole} = request(socket, "GET", "/report/3")
    end
  end
end
