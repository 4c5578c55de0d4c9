defmodule Examples.Phoenix.Endpoint do
  @moduledoc """
  Phoenix: all of the router in one limit, and single actions in one of their own.

  In `endpoint.ex` the last plug becomes

      plug Quota.Plug, to: MyAppWeb.Router, limit: Quota.mib(32)

  Sockets (`socket "/live"`, `socket "/socket"`) stand before it and are not limited by it: see the recipe for sockets. Plugs of the
  endpoint that read the body (`Plug.Parsers`) stand before it as well; move them into the router's pipeline where bodies are
  large. `pipe_through` cannot wrap what comes after it, so a scope that needs a limit of its own has it by prefix, with
  `limits:`, or by action, as below.

  The module has the shape of an endpoint: plugs, and then the router.
  """

  alias Examples.Phoenix.Router

  def init(_options), do: Quota.Plug.init(to: Router, limit: Quota.mib(32))
  def call(conn, limited), do: conn |> request_id() |> Quota.Plug.call(limited)

  # Plug.RequestId
  defp request_id(conn) do
    Logger.metadata(request_id: "7")
    conn
  end
end

defmodule Examples.Phoenix.Router do
  @moduledoc false
  # With the library: `get "/reports/:size", ReportController, :show`. As there, the router puts the controller and the action into
  # the conn, by which `Quota.Plug` names a run.

  alias Examples.Phoenix.ReportController

  def init(options), do: options

  def call(%{path_info: ["reports", size]} = conn, _options) do
    private = %{phoenix_controller: ReportController, phoenix_action: :show}

    %{conn | private: Map.merge(conn.private, private)}
    |> ReportController.call(%{"size" => size})
  end
end

defmodule Examples.Phoenix.ReportController do
  @moduledoc false
  # With the library, `action/2` is the controller's own hook: `action(conn, _)` calls
  # `apply(__MODULE__, action_name(conn), [conn, conn.params])`.

  @limits %{show: Quota.mib(8)}

  def call(conn, params) do
    action = conn.private.phoenix_action

    Quota.Plug.run(
      conn,
      Map.fetch!(@limits, action),
      &apply(__MODULE__, action, [&1, params]),
      timeout: 10_000
    )
  end

  def show(conn, %{"size" => size}) do
    body = Enum.map(1..String.to_integer(size), &[Integer.to_string(&1), ?\n])
    apply(Plug.Conn, :send_resp, [conn, 200, body])
  end
end
