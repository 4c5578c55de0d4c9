defmodule Bounded.FilesTest do
  # Files that are none, and files that change while they are read.
  use ExUnit.Case, async: true

  alias BoundedBinary.DecodeError
  alias BoundedXml.ParseError

  @moduletag :tmp_dir

  # Each opens a file by its path: the result, or the reason why it cannot be read.
  @readers [
    read_file: &__MODULE__.read_file/1,
    stream: &__MODULE__.stream/1,
    compressed: &__MODULE__.compressed/1,
    parse: &__MODULE__.parse/1
  ]

  def read_file(path), do: BoundedBinary.read_file(path)
  def stream(path), do: reason(fn -> {:file, path} |> BoundedXml.stream() |> Enum.to_list() end)
  def parse(path), do: reason(fn -> BoundedXml.parse!({:file, path}) end)

  def compressed(path),
    do: reason(fn -> {:file, path, [:compressed]} |> BoundedXml.stream() |> Enum.to_list() end)

  defp reason(fun) do
    {:ok, fun.()}
  rescue
    error in File.Error -> {:error, error.reason}
  end

  @tag skip: not File.exists?("/proc/self/mem") && "this system has no /proc/self/mem"
  test "a file whose reading fails is an error that names it" do
    # Its first page is never mapped.
    path = "/proc/self/mem"
    assert BoundedBinary.read_file(path) == {:error, :eio}

    for source <- [{:file, path}, {:file, path, [:compressed]}] do
      error = assert_raise File.Error, fn -> source |> BoundedXml.stream() |> Enum.to_list() end
      assert {error.path, error.reason} == {path, :eio}
    end
  end

  for {name, reader} <- @readers do
    test "#{name}: what is no file is refused at once", %{tmp_dir: dir} do
      pipe = Path.join(dir, "pipe")
      {_, 0} = System.cmd("mkfifo", [pipe])
      dangling = Path.join(dir, "dangling")
      File.ln_s!(Path.join(dir, "nothing"), dangling)
      loop = Path.join(dir, "loop")
      File.ln_s!(loop, loop)
      socket = Path.join(dir, "socket")
      {:ok, listening} = :gen_tcp.listen(0, ifaddr: {:local, short(socket)})
      on_exit(fn -> File.rm(pipe) end)

      for {path, expected} <- [
            {pipe, :enotsup},
            {"/dev/zero", :enotsup},
            {"/dev/null", :enotsup},
            {short(socket), :enotsup},
            {dir, :eisdir},
            {Path.join(dir, "nothing"), :enoent},
            {dangling, :enoent},
            {loop, :eloop},
            {Path.join(dir, String.duplicate("x", 300)), :enametoolong},
            {"", :enoent}
          ] do
        # A reader that blocks is killed with its test, but the thread that it blocks is not: so it says where it is.
        task = Task.async(fn -> unquote(reader).(path) end)
        assert {path, Task.await(task, 10_000)} == {path, {:error, expected}}
      end

      :gen_tcp.close(listening)
      File.rm!(short(socket))
    end
  end

  # The path of a socket has at most 107 bytes.
  defp short(path),
    do: Path.join(System.tmp_dir!(), "bounded_#{:erlang.phash2({path, self()})}")

  @items 20_000

  defp document do
    ["<r>", List.duplicate("<i>text</i>", @items), "</r>"]
  end

  # Calls `change` when the first item was read, and counts the items.
  defp count(source, change) do
    source
    |> BoundedXml.select("r/i")
    |> Enum.reduce(0, fn _, count ->
      if count == 0, do: change.()
      count + 1
    end)
  end

  test "a file that vanishes or is replaced while it is read is read to its end", %{tmp_dir: dir} do
    path = Path.join(dir, "a.xml")
    other = Path.join(dir, "other")

    for change <- [
          fn -> File.rm!(path) end,
          fn ->
            File.write!(other, "<other/>")
            File.rename!(other, path)
          end
        ] do
      File.write!(path, document())
      assert count({:file, path}, change) == @items
      File.write!(path, :zlib.gzip(document()))
      assert count({:file, path, [:compressed]}, change) == @items
    end
  end

  test "a file that shrinks while it is read is a document that ends too early", %{tmp_dir: dir} do
    path = Path.join(dir, "a.xml")
    File.write!(path, document())

    assert %ParseError{kind: :truncated} =
             catch_error(count({:file, path}, fn -> File.write!(path, "<r>") end))

    # Random text, so that the compressed file is larger than what is read at once.
    text = Base.encode64(:rand.bytes(300_000))
    File.write!(path, :zlib.gzip(["<r><i/>", text, "</r>"]))

    assert %DecodeError{kind: :truncated} =
             catch_error(count({:file, path, [:compressed]}, fn -> File.write!(path, "") end))
  end

  test "a file that grows while it is read is held to max_bytes", %{tmp_dir: dir} do
    path = Path.join(dir, "a.xml")
    File.write!(path, document())
    grow = fn -> File.write!(path, List.duplicate(" ", 200_000), [:append]) end
    assert count({:file, path}, grow) == @items

    File.write!(path, document())
    size = File.stat!(path).size
    limited = fn -> {:file, path} |> BoundedXml.select("r/i", max_bytes: size) end
    assert Enum.count(limited.()) == @items

    assert %ParseError{kind: :limit} =
             catch_error(Enum.reduce(limited.(), grow, fn _, grow -> grow && grow.() && nil end))
  end

  test "a file that shrinks or grows while read_file/2 reads it has at most its first size", %{
    tmp_dir: dir
  } do
    path = Path.join(dir, "a.bin")
    size = 2_000_000
    changing = Task.async(fn -> change(path, size, 15) end)

    # Whatever it finds, it is a part of what was written, and never more than a size that the file had.
    for _ <- 1..15 do
      assert {:ok, read} = BoundedBinary.read_file(path)
      assert byte_size(read) <= size
      assert read == :binary.copy("x", byte_size(read))
    end

    Task.await(changing, :infinity)
  end

  setup %{tmp_dir: dir} do
    File.write!(Path.join(dir, "a.bin"), "x")
    :ok
  end

  defp change(path, size, times) do
    for n <- 1..times do
      File.write!(path, :binary.copy("x", if(rem(n, 2) == 0, do: size, else: div(size, 100))))
    end
  end
end
