defmodule Examples.Plug.Api do
  @moduledoc """
  Plug alone: limits by route around an application's plugs.

  With the library this module is `use Plug.Builder` and two lines:

      plug Plug.RequestId
      plug Quota.Plug, to: MyApp.Router, limits: [...]

  What stands before `Quota.Plug` runs without a limit, in the request's process: keep it small. Parsers read what the client
  sends, so they belong into the router, within the limit.
  """

  @limits [
    # What a client sends decides what this takes: 413 tells it so.
    {"/import", Quota.mib(32), status: 413, timeout: 60_000},
    {"/", Quota.mib(8)}
  ]

  def init(_options), do: Quota.Plug.init(to: Examples.Plug.Router, limits: @limits)
  def call(conn, limited), do: Quota.Plug.call(conn, limited)
end

defmodule Examples.Plug.Router do
  @moduledoc false
  # With the library: `use Plug.Router`, `get "/report"` and `post "/import"`.

  def init(options), do: options

  def call(%{method: "POST", path_info: ["import"]} = conn, _options) do
    # The body is never held as a whole, so it may be far larger than the limit.
    {count, conn} =
      BoundedXml.Conn.with_body(conn, [max_bytes: Quota.mib(100)], fn source ->
        source |> BoundedXml.select("feed/entry") |> Enum.count()
      end)

    apply(Plug.Conn, :send_resp, [conn, 200, "#{count} entries"])
  end

  def call(%{path_info: ["report", rows]} = conn, _options) do
    report = Enum.map(1..String.to_integer(rows), &[Integer.to_string(&1), ?\n])
    apply(Plug.Conn, :send_resp, [conn, 200, report])
  end
end
