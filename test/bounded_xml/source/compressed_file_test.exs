defmodule BoundedXml.Source.CompressedFileTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.Xml
  alias BoundedBinary.DecodeError
  alias BoundedXml.ParseError

  @moduletag :tmp_dir

  @document "<r>" <> Enum.map_join(1..20_000, &"<i a='#{&1}'>text #{&1}</i>") <> "</r>"

  defp file(directory, bytes) do
    path = Path.join(directory, "#{System.unique_integer([:positive])}.xml.gz")
    File.write!(path, bytes)
    path
  end

  defp events(path, opts \\ []), do: Xml.events({:file, path, [:compressed]}, opts)

  # How many descriptors of the file this node has open.
  defp descriptors(path) do
    open = "/proc/#{System.pid()}/fd"
    Enum.count(File.ls!(open), &(File.read_link(Path.join(open, &1)) == {:ok, path}))
  end

  test "gives what the document gives, whatever the size of its parts", %{tmp_dir: directory} do
    expected = Xml.events(@document)
    path = file(directory, :zlib.gzip(@document))

    for chunk_bytes <- [65_536, 1_000, 7] do
      assert events(path, chunk_bytes: chunk_bytes) == expected
    end

    records = {:file, path, [:compressed]} |> BoundedXml.select("r/i") |> Enum.to_list()
    assert records == @document |> BoundedXml.select("r/i") |> Enum.to_list()
  end

  test "gzip of several members, and what is not compressed", %{tmp_dir: directory} do
    expected = Xml.events(@document)
    {front, back} = String.split_at(@document, 100_000)
    assert events(file(directory, [:zlib.gzip(front), :zlib.gzip(back)])) == expected
    assert events(file(directory, @document)) == expected
    assert Xml.events({:file, file(directory, @document), []}) == expected
    assert {_, %ParseError{kind: :truncated}} = events(file(directory, ""))
  end

  test "without the option the error says how it is read", %{tmp_dir: directory} do
    path = file(directory, :zlib.gzip("<r/>"))
    assert {_, %ParseError{kind: :unsupported, reason: reason}} = Xml.events({:file, path})
    assert reason =~ "{:file, path, [:compressed]}"
    assert {[_ | _], nil} = events(path)
  end

  test "damaged, cut short and absent", %{tmp_dir: directory} do
    gzip = :zlib.gzip(@document)
    cut = file(directory, binary_part(gzip, 0, byte_size(gzip) - 10))
    assert {events, %DecodeError{kind: :truncated} = error} = events(cut)
    assert length(events) > 1_000 and Exception.message(error) =~ cut

    <<front::binary-size(1_000), _::binary-size(50), back::binary>> = gzip
    assert {_, %DecodeError{kind: :malformed}} = events(file(directory, [front, back]))
    assert {_, %DecodeError{kind: :malformed}} = events(file(directory, [gzip, "rubbish"]))
    assert {[], %File.Error{}} = events(Path.join(directory, "none"))
    assert {_, %ParseError{kind: :malformed}} = events(file(directory, :zlib.gzip("<r></s>")))
  end

  test "a bomb ends at the ratio or at max_bytes", %{tmp_dir: directory} do
    spaces = :binary.copy(:binary.copy(" ", 1_000), 40_000)
    path = file(directory, :zlib.gzip(["<r>", spaces, "</r>"]))
    count = fn opts -> {:file, path, [:compressed]} |> BoundedXml.stream(opts) |> Enum.count() end

    error = assert_raise DecodeError, fn -> count.([]) end
    assert %{kind: :limit, plug_status: 413} = error
    assert error.reason =~ "more than 1000 times" and error.reason =~ "max_ratio"
    assert_raise DecodeError, ~r/more than 20 times/, fn -> count.(max_ratio: 20) end
    assert count.(max_ratio: :infinity) > 600
    assert count.(max_ratio: 2_000) > 600

    error = assert_raise ParseError, fn -> count.(max_ratio: :infinity, max_bytes: 1_000_000) end
    assert %{kind: :limit, limit: :max_bytes} = error
  end

  test "is closed however enumerating ends", %{tmp_dir: directory} do
    path = file(directory, :zlib.gzip(@document))
    stream = BoundedXml.stream({:file, path, [:compressed]})
    assert Enum.take(stream, 3) == @document |> BoundedXml.stream() |> Enum.take(3)
    assert_raise RuntimeError, fn -> Enum.each(stream, fn _ -> raise "stop" end) end
    assert Enum.count(stream) == @document |> BoundedXml.stream() |> Enum.count()
    assert {_, %DecodeError{kind: :limit}} = events(path, max_ratio: 1)
    assert descriptors(path) == 0
    assert inspect(stream) =~ path
  end

  test "wrong options" do
    for source <- [{:file, "a", [:gzip]}, {:file, "a", :compressed}, {:file, 1, [:compressed]}] do
      assert_raise ArgumentError, ~r/{:file, path/, fn -> BoundedXml.stream(source) end
    end

    for ratio <- [0, -1, 1.5, nil] do
      assert_raise ArgumentError, ~r/max_ratio/, fn -> BoundedXml.stream("", max_ratio: ratio) end
    end
  end
end
