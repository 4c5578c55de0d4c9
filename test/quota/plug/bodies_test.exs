defmodule Quota.PlugBodiesTest do
  # Where Plug is not there, a stand-in for what `Quota.Plug` needs of it is a module of the whole VM.
  use ExUnit.Case, async: false

  import Bounded.PlugServer

  @moduletag :capture_log
  @mib 1024 * 1024
  # A body of at most this many bytes is joined, with a limit of 4 MiB or more.
  @joined 256 * 1024

  # The body that the server gets for `body`.
  defp served(body, limit \\ 4 * @mib) do
    conn = Quota.Plug.run(conn(), limit, &send_resp(&1, 200, body))
    %{adapter: {_, %{seen: [{:send_resp, [200, _, served]} | _]}}} = conn
    served
  end

  test "a list is served as one binary" do
    assert served(["a", [?b, "c" | "d"], [], [[["e"]] | "f"] | "g"]) == "abcdefg"
    assert served([]) == ""
    assert served("binary") == "binary"
  end

  test "so is a part of a response" do
    conn =
      Quota.Plug.run(conn(), 4 * @mib, fn conn ->
        {{:ok, nil}, conn} = adapter(conn, :send_chunked, [200, []])
        {{:ok, nil}, conn} = adapter(conn, :chunk, [["a", [?b]]])
        conn
      end)

    assert %{adapter: {_, %{seen: [{:chunk, ["ab"]} | _]}}} = conn
  end

  test "a large list stays one: each element counts, and each byte" do
    part = String.duplicate("x", 1_000)
    bytes = List.duplicate(part, div(@joined, 1_001) + 1)
    elements = List.duplicate("", @joined + 1)
    assert served(bytes) == bytes
    assert served(tl(bytes)) == IO.iodata_to_binary(tl(bytes))
    assert served(elements, 32 * @mib) == elements
  end

  test "a body that is no iodata is left to the server" do
    for body <- [[:atom], [256], [-1], ["a" | ?b], [<<1::1>>], ["a", nil]],
        do: assert(served(body) == body)
  end

  @tag :native_speed
  test "a list that is shared without end is a breach at once" do
    shared = Enum.reduce(1..60, [], fn _, list -> [list | list] end)

    {us, conn} =
      :timer.tc(fn -> Quota.Plug.run(conn(), 4 * @mib, &send_resp(&1, 200, shared)) end)

    assert %{status: 503, halted: true} = conn
    assert us < 1_000_000
  end
end
