defmodule Examples.Cowboy.Report do
  @moduledoc """
  Cowboy alone, without Plug: a handler computes its response in a limit, and replies from the request's process.

  The work makes the body and knows nothing of the request: it gets what it needs of it, and returns what is sent.
  """

  @limit Quota.mib(8)

  def init(req, state) do
    rows = req |> binding(:rows) |> String.to_integer()

    req =
      case Quota.try_run(@limit, fn -> report(rows) end, label: "GET /report/:rows") do
        {:ok, body} -> reply(200, %{"content-type" => "text/plain"}, body, req)
        {:error, %Quota.PoolFullError{}} -> reply(503, %{"retry-after" => "1"}, "", req)
        {:error, error} -> reply(error.plug_status, %{}, "", req)
      end

    {:ok, req, state}
  end

  # A binary leaves the work without being copied.
  defp report(rows), do: Enum.map_join(1..rows, "\n", &Integer.to_string/1)

  # Cowboy is no dependency of this project.
  defp binding(req, name), do: apply(:cowboy_req, :binding, [name, req])

  defp reply(status, headers, body, req),
    do: apply(:cowboy_req, :reply, [status, headers, body, req])
end
