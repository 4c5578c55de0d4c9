Code.require_file("upload_service.ex", __DIR__)

defmodule Examples.UploadServiceTest do
  # Where Plug is not there, what stands in for it is a module of the whole VM.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  import Bounded.HTTPClient

  alias Bounded.{PlugServer, PlugServers}
  alias Examples.UploadService

  @moduletag :capture_log
  @mb String.duplicate("0123456789", 100_000)
  @servers PlugServers.all()
  @browsers Enum.all?(~w(chromium chromedriver), &System.find_executable/1)

  setup do
    start_supervised!(UploadService.pool())
    :ok
  end

  defp call(method, path, pieces \\ nil) do
    conn = %{PlugServer.conn(pieces) | method: method, path_info: path, owner: self()}
    conn = UploadService.call(conn, UploadService.init([]))
    %{adapter: {_, %{seen: [{:send_resp, [status, _, body]} | _]}}} = conn
    {status, IO.iodata_to_binary(body)}
  end

  test "a file of any size is hashed within 4 MiB" do
    assert {200, answer} = call("POST", ["files"], List.duplicate(@mb, 20))
    hash = :crypto.hash(:sha256, String.duplicate(@mb, 20)) |> Base.encode16(case: :lower)
    assert answer =~ "20000000 bytes, SHA-256 #{binary_part(hash, 0, 8)}..."
  end

  test "a feed is counted in pieces" do
    pieces = ["<feed>"] ++ List.duplicate("<entry>a</entry>", 5_000) ++ ["</feed>"]
    assert {200, answer} = call("POST", ["feeds"], pieces)
    assert answer =~ "5000 entries"
  end

  test "an image that takes too much is a 413, and the next one is served" do
    assert {413, ""} = call("POST", ["images"], List.duplicate(@mb, 8))
    assert {200, answer} = call("POST", ["images"], [<<1, 3>>])
    assert answer =~ "2 pixels, mean 2"
  end

  test "the page and its figures have no limit" do
    assert {200, "<!doctype html>" <> _} = call("GET", [])
    assert {200, figures} = call("GET", ["memory"])
    assert figures =~ ~s("/images":67108864)
    assert figures =~ ~s("running":[])
    assert {404, ""} = call("GET", ["nowhere"])
  end

  test "a run is among the figures while it runs" do
    test = self()

    fun = fn ->
      send(test, {:running, self()})
      receive do: (:end -> :ok)
    end

    task = Task.async(fn -> Quota.run(Quota.mib(4), fun, label: "POST /files") end)
    assert_receive {:running, work}
    assert [%{route: "/files", limit: 4_194_304}] = UploadService.figures().running
    send(work, :end)
    assert Task.await(task) == :ok
  end

  if @servers == [], do: @tag(skip: "neither Bandit nor Plug.Cowboy is here: set ERL_LIBS")

  test "on a real server each route answers, and one over its limit leaves the others alone" do
    for server <- @servers do
      port = PlugServers.start(server, UploadService, [])
      assert {413, _, "", _} = request(connect(port), "POST", "/images", [], copies(8))
      assert {200, _, answer, :whole} = request(connect(port), "POST", "/files", [], copies(30))
      assert answer =~ "30000000 bytes"
      assert {200, _, "<!doctype" <> _, :whole} = request(connect(port), "GET", "/")
      eventually(fn -> assert UploadService.figures().pool.reserved == 0 end)
    end
  end

  if @servers == [], do: @tag(skip: "neither Bandit nor Plug.Cowboy is here: set ERL_LIBS")
  unless @browsers, do: @tag(skip: "chromium and chromedriver are not here")

  test "in a browser the page shows answers and the node's memory" do
    port = PlugServers.start(hd(@servers), UploadService, [])
    page = open("http://localhost:#{port}/")
    eventually(fn -> assert shown(page, "#memory") =~ ~r/^\d+\.\d MiB$/ end, 10_000)
    assert shown(page, "#images .limit") == "limit 64.0 MiB"

    for {button, answer} <- [
          {"#files button:last-of-type", ~r"/files50 MB20050000000 bytes, SHA-256"},
          {"#feeds button:last-of-type", ~r"/feeds50 MB200\d+ entries"},
          {"#images button:last-of-type", ~r"/images8 MB413over the limit"},
          {"#images button:first-of-type", ~r"/images1 MB2001000000 pixels, mean 100"}
        ] do
      script(page, "document.querySelector('#{button}').click()")
      eventually(fn -> assert shown(page, "#log tr:first-child") =~ answer end, 20_000)
    end

    points = script(page, "return document.querySelector('polyline').getAttribute('points')")
    assert length(String.split(points, " ")) > 2
  end

  defp copies(count), do: String.duplicate(@mb, count)

  # -- WebDriver, as much as is needed of it

  defp open(url) do
    {:ok, _} = Application.ensure_all_started(:inets)
    driver = System.find_executable("chromedriver")
    port = Port.open({:spawn_executable, driver}, [:binary, args: ["--port=0"]])
    {:os_pid, pid} = Port.info(port, :os_pid)
    on_exit(fn -> System.cmd("kill", ["#{pid}"]) end)
    driver = "http://localhost:#{listens_on(port, "")}/session"

    options =
      ~s({"capabilities":{"alwaysMatch":{"goog:chromeOptions":{"args":["--headless","--no-sandbox"]}}}})

    [_, id] = Regex.run(~r/"sessionId":"(\w+)"/, post(driver, options))
    on_exit(fn -> :httpc.request(:delete, {~c"#{driver}/#{id}", []}, [timeout: 10_000], []) end)
    post("#{driver}/#{id}/url", ~s({"url":"#{url}"}))
    "#{driver}/#{id}"
  end

  defp listens_on(port, read) do
    receive do
      {^port, {:data, more}} ->
        case Regex.run(~r/successfully on port (\d+)/, read <> more) do
          [_, number] -> number
          nil -> listens_on(port, read <> more)
        end
    after
      20_000 -> flunk("chromedriver did not start: #{read}")
    end
  end

  defp shown(page, selector),
    do: script(page, "return document.querySelector('#{selector}')?.textContent ?? ''")

  # The text that a script returns; nothing in it is escaped here.
  defp script(page, script) do
    answer = post("#{page}/execute/sync", ~s({"script":"#{script}","args":[]}))

    case Regex.run(~r/^{"value":"(.*)"}$/, answer) do
      [_, text] -> text
      nil -> nil
    end
  end

  defp post(url, json) do
    request = {~c"#{url}", [], ~c"application/json", json}
    {:ok, {{_, 200, _}, _, body}} = :httpc.request(:post, request, [timeout: 60_000], [])
    IO.iodata_to_binary(body)
  end
end
