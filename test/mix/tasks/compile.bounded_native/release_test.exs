defmodule Mix.Tasks.Compile.BoundedNative.ReleaseTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias Bounded.Test.ReleaseServer
  alias Mix.Tasks.Compile.BoundedNative.{Download, Release}

  @moduletag :tmp_dir

  @archive Release.archive("1.2.3", "x86_64-unknown-linux-gnu")
  @library "the library's content"

  setup_all do
    {:ok, archive: pack(@library)}
  end

  # As `bin/release` does.
  defp pack(content) do
    path =
      Path.join(System.tmp_dir!(), "release-test-#{System.unique_integer([:positive])}.tar.gz")

    :ok = :erl_tar.create(path, [{~c"libbounded_nif.so", content}], [:compressed])
    packed = File.read!(path)
    File.rm!(path)
    packed
  end

  defp sha256(content), do: :crypto.hash(:sha256, content) |> Base.encode16(case: :lower)

  # A server that has `answer` for the archive, and a fetch of it that expects `sha256`.
  defp fetcher(dir, answer, others \\ %{}) do
    server = ReleaseServer.start(dir, Map.put(others, "/v1/#{@archive}", answer))
    variables = %{"HEX_CACERTS_PATH" => server.cacerts}
    download = &Download.get(&1, variables)

    fn sha256 ->
      Release.fetch(@archive, sha256, server.url <> "/v1/", Path.join(dir, "cache"), download)
    end
  end

  defp offline(dir, sha256),
    do:
      Release.fetch(
        @archive,
        sha256,
        "https://localhost:1/v1",
        Path.join(dir, "cache"),
        &Download.get(&1, %{})
      )

  test "the right archive is unpacked, and kept for a machine without a network", %{
    tmp_dir: dir,
    archive: archive
  } do
    fetch = fetcher(dir, {200, archive})
    assert fetch.(sha256(archive)) == {:ok, @library}
    assert offline(dir, sha256(archive)) == {:ok, @library}
    assert File.ls!(Path.join(dir, "cache")) == [@archive]
  end

  test "a wrong checksum is an error that says both, and nothing is kept", %{
    tmp_dir: dir,
    archive: archive
  } do
    fetch = fetcher(dir, {200, archive})
    expected = sha256("another")
    assert {:error, message} = fetch.(expected)
    assert message =~ "its SHA-256 is  #{sha256(archive)} (#{byte_size(archive)} bytes)"
    assert message =~ "released was    #{expected}"
    assert message =~ "BOUNDED_BUILD=1"
    refute File.exists?(Path.join(dir, "cache"))
  end

  test "a truncated answer is an error", %{tmp_dir: dir, archive: archive} do
    fetch = fetcher(dir, {:truncated, archive})
    assert {:error, message} = fetch.(sha256(archive))

    assert message =~
             ~r/cannot be downloaded: the (server closed the connection|connection ended)/
  end

  test "404 is an error with the address", %{tmp_dir: dir} do
    fetch = fetcher(dir, {404, "none"})
    assert {:error, message} = fetch.(sha256(""))

    assert message =~
             ~r"^https://localhost:\d+/v1/#{Regex.escape(@archive)} cannot be downloaded: the server answered 404"
  end

  test "without a network and without a cache, the error says what to set", %{tmp_dir: dir} do
    assert {:error, message} = offline(dir, sha256(""))
    assert message =~ "no connection (:econnrefused)"
    assert message =~ "BOUNDED_NIF"
  end

  test "a cached archive with another checksum is downloaded again", %{
    tmp_dir: dir,
    archive: archive
  } do
    fetch = fetcher(dir, {200, archive})
    kept = Path.join([dir, "cache", @archive])
    File.mkdir_p!(Path.dirname(kept))
    File.write!(kept, "half an archi")
    assert fetch.(sha256(archive)) == {:ok, @library}
    assert File.read!(kept) == archive
  end

  test "a cache that cannot be written is reported, and the library is there all the same", %{
    tmp_dir: dir,
    archive: archive
  } do
    fetch = fetcher(dir, {200, archive})
    File.write!(Path.join(dir, "cache"), "a file where the folder belongs")

    assert capture_io(fn -> assert fetch.(sha256(archive)) == {:ok, @library} end) =~
             "cannot keep its library"
  end

  test "what is no archive of one file is an error, even with the right checksum", %{tmp_dir: dir} do
    fetch = fetcher(dir, {200, "no archive"})
    assert {:error, message} = fetch.(sha256("no archive"))
    assert message =~ "holds no library"
  end

  test "the checksum of a platform is found by the archive's name alone", %{tmp_dir: dir} do
    assert Release.find(dir, "1.2.3", "x86_64-unknown-linux-gnu") == nil

    File.write!(Path.join(dir, "checksums.sha256"), """
    aaaa  #{Release.archive("1.2.3", "x86_64-unknown-linux-gnu")}
    bbbb  #{Release.archive("1.2.3", "aarch64-apple-darwin")}
    """)

    assert Release.find(dir, "1.2.3", "x86_64-unknown-linux-gnu") == {@archive, "aaaa"}
    assert {_, "bbbb"} = Release.find(dir, "1.2.3", "aarch64-apple-darwin")
    assert Release.find(dir, "1.2.3", "x86_64-unknown-linux-musl") == nil
    assert Release.find(dir, "1.2.4", "x86_64-unknown-linux-gnu") == nil
    assert Release.find(dir, "1.2.3", nil) == nil
  end

  test "archives are named after the NIF version that Cargo builds for" do
    [_, major, minor] = Regex.run(~r/nif_version_(\d+)_(\d+)/, File.read!("Cargo.toml"))

    assert Release.archive("1.0.0", "t") ==
             "libbounded_nif-v1.0.0-nif-#{major}.#{minor}-t.so.tar.gz"
  end

  test "the cache is where the variable says, or the user's" do
    assert Release.cache(%{"BOUNDED_CACHE_DIR" => "/some/where"}) == "/some/where"
    assert Path.basename(Release.cache(%{"BOUNDED_CACHE_DIR" => ""})) == "bounded"
  end
end
