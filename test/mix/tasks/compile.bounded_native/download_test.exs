defmodule Mix.Tasks.Compile.BoundedNative.DownloadTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.ReleaseServer
  alias Mix.Tasks.Compile.BoundedNative.Download

  @moduletag :tmp_dir

  setup %{tmp_dir: dir} do
    loop = Map.new(1..9, &{"/hop#{&1}", {:redirect, "/hop#{&1 + 1}"}})

    answers =
      Map.merge(loop, %{
        "/file" => {200, "content"},
        "/moved" => {:redirect, "/hop9"},
        "/hop10" => {200, "moved content"},
        "/plain" => {:redirect, "http://localhost/file"},
        "/nowhere" => {302, "gone"},
        "/half" => {:truncated, "content"}
      })

    server = ReleaseServer.start(dir, answers)
    {:ok, url: server.url, trusting: %{"HEX_CACERTS_PATH" => server.cacerts}}
  end

  test "redirects are followed, but not for ever, and never to plain HTTP", %{
    url: url,
    trusting: trusting
  } do
    assert Download.get(url <> "/file", trusting) == {:ok, "content"}
    assert Download.get(url <> "/moved", trusting) == {:ok, "moved content"}
    assert {:error, message} = Download.get(url <> "/hop1", trusting)
    assert message =~ "redirected more than 5 times"
    assert {:error, message} = Download.get(url <> "/plain", trusting)
    assert message =~ "redirected to http://localhost/file, which is not HTTPS"
  end

  test "what is no answer is an error that says why", %{url: url, trusting: trusting} do
    failed = fn url ->
      assert {:error, message} = Download.get(url, trusting)
      message
    end

    assert failed.(url <> "/none") =~ "/none cannot be downloaded: the server answered 404"
    assert failed.(url <> "/nowhere") =~ "the server redirected to no address"

    assert failed.(url <> "/half") =~
             ~r/the connection ended after|the server closed the connection/

    assert failed.("http://localhost/file") =~ "its address is not HTTPS"
    assert failed.("https://localhost:1/file") =~ "no connection (:econnrefused)"
    # Set to nothing, a variable is not set.
    assert Download.get(url <> "/file", Map.put(trusting, "HTTPS_PROXY", "")) == {:ok, "content"}
  end

  test "a server whose certificate nobody vouches for is refused", %{url: url, trusting: trusting} do
    assert {:error, message} = Download.get(url <> "/file", %{})
    assert message =~ "no TLS connection"

    # The certificate is for another name.
    assert {:error, message} =
             Download.get(String.replace(url, "localhost", "127.0.0.1") <> "/file", trusting)

    assert message =~ "no TLS connection"
  end

  test "a file of authorities that is not there is an error, not a crash", %{url: url} do
    assert {:error, message} =
             Download.get(url <> "/file", %{"HEX_CACERTS_PATH" => "/no/such/file"})

    assert message =~ "cannot be downloaded"
  end

  test "goes through the proxy of the usual variables", %{url: url, trusting: trusting} do
    port = ReleaseServer.start_proxy(self())

    for name <- ["HTTPS_PROXY", "https_proxy"] do
      assert Download.get(url <> "/file", Map.put(trusting, name, "http://localhost:#{port}")) ==
               {:ok, "content"}

      assert_received {:proxied, "localhost", nil}
    end

    # Another domain, though its name ends in the same letters.
    other =
      Map.merge(trusting, %{
        "HTTPS_PROXY" => "localhost:#{port}",
        "NO_PROXY" => "calhost, example.com"
      })

    assert Download.get(url <> "/file", other) == {:ok, "content"}
    assert_received {:proxied, "localhost", nil}

    with_user = Map.put(trusting, "HTTPS_PROXY", "http://user:pass%20word@localhost:#{port}")
    assert Download.get(url <> "/file", with_user) == {:ok, "content"}
    assert_received {:proxied, "localhost", ["Basic " <> encoded]}
    assert Base.decode64!(encoded) == "user:pass word"

    for direct <- ["localhost", "example.com, .localhost", "*"] do
      variables = Map.merge(with_user, %{"NO_PROXY" => direct})
      assert Download.get(url <> "/file", variables) == {:ok, "content"}
      refute_received {:proxied, _, _}
    end
  end
end
