Code.require_file("api.ex", __DIR__)

defmodule Examples.Plug.ApiTest do
  # Where Plug is not there, what stands in for it is a module of the whole VM.
  use ExUnit.Case, async: false

  alias Bounded.PlugServer
  alias Examples.Plug.Api

  @moduletag :capture_log

  defp call(conn), do: Api.call(conn, Api.init([]))

  defp get(rows), do: call(%{PlugServer.conn() | path_info: ["report", "#{rows}"]})

  defp post(pieces),
    do: call(%{PlugServer.conn(pieces) | method: "POST", path_info: ["import"]})

  test "a report of a reasonable size" do
    assert %{status: 200} = get(100)
  end

  test "a report that goes over its limit is a 503, and the next one is served" do
    assert %{status: 503, halted: true} = get(5_000_000)
    assert %{status: 200} = get(100)
  end

  test "an import is read in pieces" do
    entry = "<entry>#{String.duplicate("x", 1_000)}</entry>"
    pieces = ["<feed>"] ++ List.duplicate(String.duplicate(entry, 60), 800) ++ ["</feed>"]
    assert IO.iodata_length(pieces) > Quota.mib(45)

    assert %{status: 200, adapter: {_, %{seen: [{:send_resp, [200, _, body]} | _]}}} =
             post(pieces)

    assert body == "48000 entries"
  end

  test "a document with a fault is the client's, and says so" do
    assert %{plug_status: 400} = catch_error(post(["<feed><entry></feed>"]))
  end
end
