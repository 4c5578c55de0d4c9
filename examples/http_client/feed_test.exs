Code.require_file("feed.ex", __DIR__)

defmodule Examples.HTTPClient.FeedTest do
  use ExUnit.Case, async: true

  alias Examples.HTTPClient.Feed

  @entry "<entry>#{String.duplicate("x", 993)}</entry>"

  setup_all do
    {:ok, _} = Application.ensure_all_started(:inets)
    :ok
  end

  # Serves a feed of `count` entries of some 1 KB, once.
  defp serve(count) do
    {:ok, listening} = :gen_tcp.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(listening)

    start_supervised!({Task, fn -> answer(listening, count) end}, id: make_ref())
    "http://127.0.0.1:#{port}/feed"
  end

  defp answer(listening, count) do
    {:ok, socket} = :gen_tcp.accept(listening)
    {:ok, _request} = :gen_tcp.recv(socket, 0)
    size = count * byte_size(@entry) + byte_size("<feed></feed>")
    :gen_tcp.send(socket, "HTTP/1.1 200 OK\r\ncontent-length: #{size}\r\n\r\n<feed>")
    for _ <- 1..count, do: :gen_tcp.send(socket, @entry)
    :gen_tcp.send(socket, "</feed>")
    :gen_tcp.recv(socket, 0)
  end

  @tag :native_speed
  test "a feed of several times the limit, part by part" do
    assert Feed.count(serve(30_000)) == {:ok, 30_000}
  end

  test "max_bytes bounds the sum" do
    error = catch_error(Feed.count(serve(3_000), max_bytes: 1_000_000))
    assert %BoundedXml.ParseError{kind: :limit, limit: :max_bytes} = error
  end

  test "what is collected counts" do
    assert {:ok, 1_021} = Feed.collect(serve(1))

    assert {:error, %Quota.ExceededError{category: :binaries, label: "feed"}} =
             Feed.collect(serve(30_000))
  end
end
