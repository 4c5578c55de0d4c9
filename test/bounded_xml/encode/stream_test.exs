defmodule BoundedXml.Encode.StreamTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.{Emulated, TrackedSource, Trees}
  alias BoundedXml.EncodeError

  defp lazily(enumerable), do: Stream.map(enumerable, & &1)

  defp written(enumerable, opts \\ []),
    do: enumerable |> BoundedXml.encode_stream(opts) |> Enum.join()

  test "writes what encode writes, however the items come" do
    for _ <- 1..Emulated.fewer(60) do
      tree = Trees.tree(5)
      events = Trees.events(tree)
      xml = BoundedXml.encode(tree)

      for items <- [[tree], events, lazily([tree]), lazily(events)] do
        pieces = items |> BoundedXml.encode_stream() |> Enum.to_list()
        assert IO.iodata_to_binary(pieces) == xml
        assert Enum.all?(pieces, &(byte_size(&1) in 1..65_536 and String.valid?(&1)))
      end

      assert xml |> BoundedXml.stream(limits: :trusted) |> written() == xml
      assert xml |> BoundedXml.stream(limits: :trusted) |> lazily() |> written() == xml
    end
  end

  test "writes trees as children of a root" do
    trees = for n <- 1..5_000, do: {"item", [{"id", "#{n}"}], ["text"]}
    xml = written(trees, root: {"rss", [{"version", "2.0"}]}, declaration: true)
    assert xml =~ ~r(\A<\?xml .*\?><rss version="2.0"><item id="1">text</item><item)
    assert xml |> BoundedXml.select("rss/item") |> Enum.to_list() == trees
    selected = BoundedXml.select(xml, "rss/item")
    assert written(selected, root: {"rss", [{"version", "2.0"}]}, declaration: true) == xml
    assert selected |> lazily() |> written(root: {"r", []}) =~ ~r(</item></r>\z)
    assert written([], root: {"a", []}) == "<a/>"
    assert written([{:start_document, [version: "1.0"]}, "x"], root: {"a", []}) == "<a>x</a>"
    assert written(lazily([]), root: {{"urn:x", "a"}, []}) == ~s(<ns1:a xmlns:ns1="urn:x"/>)
  end

  test "begins with the first piece, and can be left and taken up again" do
    item = {"item", [], [String.duplicate("x", 1_000)]}
    endless = [{:start_element, {"a", []}}] |> Stream.concat(Stream.repeatedly(fn -> item end))
    assert [first, second] = endless |> BoundedXml.encode_stream() |> Enum.take(2)
    assert byte_size(first) in 60_000..65_536 and byte_size(second) in 60_000..65_536

    stream = BoundedXml.encode_stream(endless)
    zipped = stream |> Stream.zip(BoundedXml.encode_stream(endless)) |> Enum.take(3)
    assert Enum.all?(zipped, fn {a, b} -> a == b end)
  end

  test "is enumerable: counted, searched, sliced and put off before it begins" do
    items = [{:start_element, {"a", []}}, "x", {:end_element, "a"}]
    stream = BoundedXml.encode_stream(items)
    assert Enum.count(stream) == 1
    assert Enum.member?(stream, "<a>x</a>")
    refute Enum.member?(stream, "<a>y</a>")
    assert Enum.slice(stream, 0, 2) == ["<a>x</a>"]
    assert Enum.at(stream, 1) == nil

    assert Enumerable.reduce(stream, {:halt, :acc}, fn _, _ -> flunk("called") end) ==
             {:halted, :acc}

    assert {:suspended, [], continue} =
             Enumerable.reduce(stream, {:suspend, []}, &{:cont, [&1 | &2]})

    assert continue.({:cont, []}) == {:done, ["<a>x</a>"]}
    assert inspect(stream) == "#BoundedXml.Encode.Stream<>"
  end

  test "a writer in use by another process is an error of its own" do
    error = EncodeError.new({:unusable, :busy})
    assert error.kind == :busy
    assert Exception.message(error) =~ "give each process one of its own"
  end

  test "of nothing, without a root, is refused or empty as encode does it" do
    outcome = fn fun ->
      try do
        fun.()
      rescue
        error in EncodeError -> {error.kind, error.reason}
      end
    end

    for empty <- [[], lazily([])] do
      assert outcome.(fn -> written(empty) end) == outcome.(fn -> BoundedXml.encode([]) end)
    end
  end

  test "raises where the error is, after the pieces before it" do
    items = Stream.concat([{:start_element, {"a", []}}], List.duplicate({"b", [], ["x"]}, 20_000))

    for {last, kind} <- [{{"b c", [], []}, :name}, {{:end_element, "b"}, :nesting}] do
      stream = items |> Stream.concat([last]) |> BoundedXml.encode_stream()
      {pieces, error} = Bounded.Test.Xml.collect(stream)
      assert %EncodeError{kind: ^kind} = error
      assert length(pieces) >= 2
    end

    assert_raise EncodeError, ~r/the element a has no end/, fn ->
      Enum.to_list(BoundedXml.encode_stream(items))
    end

    assert_raise EncodeError, ~r/no root element/, fn -> written([]) end
    assert_raise ArgumentError, fn -> BoundedXml.encode_stream([], root: "a") end
  end

  test "closes its source in whichever way it ends" do
    items = [{:start_element, {"a", []}} | List.duplicate(String.duplicate("x", 10_000), 100)]
    good = items ++ [{:end_element, "a"}]

    for {source, consume} <- [
          {good, &Enum.to_list/1},
          {good, &Enum.take(&1, 1)},
          {items ++ [{"b c", [], []}], fn stream -> catch_error(Enum.to_list(stream)) end},
          {good, fn stream -> catch_throw(Enum.each(stream, fn _ -> throw(:x) end)) end}
        ] do
      source |> TrackedSource.new() |> BoundedXml.encode_stream() |> consume.()
      assert_received :opened
      assert_received :closed
    end
  end

  test "exceptions of the source pass" do
    source = Stream.concat([{"a", [], []}], Stream.map([1], fn _ -> raise "broken" end))
    assert_raise RuntimeError, "broken", fn -> written(source) end
  end

  test "shows nothing of what it writes" do
    assert inspect(BoundedXml.encode_stream(["secret"])) == "#BoundedXml.Encode.Stream<>"
  end

  test "records with fields are refused after their functions were called" do
    fields = [a: {:map, ".", &String.to_integer/1}]
    source = BoundedXml.select("<r><a>7</a></r>", "r/a", fields: fields)

    error =
      assert_raise BoundedXml.EncodeError, fn ->
        source |> BoundedXml.encode_stream(root: {"r", []}) |> Enum.to_list()
      end

    assert Exception.message(error) =~ "got: %{a: 7}"
  end
end
