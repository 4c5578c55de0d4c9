Code.require_file("endpoint.ex", __DIR__)

defmodule Examples.Phoenix.EndpointTest do
  # Where Plug is not there, what stands in for it is a module of the whole VM.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias Bounded.PlugServer
  alias Examples.Phoenix.Endpoint

  defp get(size) do
    Endpoint.call(%{PlugServer.conn() | path_info: ["reports", size]}, Endpoint.init([]))
  end

  test "an action within its limit, in the limit of the router" do
    assert %{status: 200} = get("100")
  end

  test "an action over its limit is answered, and named by controller and action" do
    test = self()
    Application.put_env(:bounded, :log_breaches, true)

    log =
      capture_log(fn ->
        send(test, get("5000000"))
        Bounded.Eventually.eventually(fn -> assert writers() == [] end)
      end)

    assert_received %{status: 503, halted: true}
    assert log =~ "GET Examples.Phoenix.ReportController.show"
  after
    Application.put_env(:bounded, :log_breaches, false)
  end

  # The line is written by a process of its own.
  defp writers do
    write = {:initial_call, {Quota.Account.BreachLog, :write, 4}}
    Enum.filter(Process.list(), &(Process.info(&1, :initial_call) == write))
  end
end
