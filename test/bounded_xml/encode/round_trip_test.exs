defmodule BoundedXml.Encode.RoundTripTest do
  use ExUnit.Case, async: true

  # What is read and written reads as the same events: the declared encoding aside, and skipped entities, which a
  # document without its external subset cannot refer to. Python's expat reads all that is written.

  alias Bounded.Test.{Emulated, Expat, Samples, Trees, Xml}

  # Comments and instructions of an internal subset are events as well as part of the subset: not both at once.
  @emits [[:cdata, :comments, :processing_instructions], [:cdata, :doctype]]
  @suite "test/xmlconf"

  {corpus, skip} =
    case Samples.corpus() do
      {:ok, paths} -> {paths, nil}
      {:error, reason} -> {[], reason}
    end

  @corpus corpus

  test "of the project's own documents" do
    for path <- Samples.own(), do: assert_same(File.read!(path), path)
  end

  @tag skip: skip
  @tag timeout: 300_000
  @tag :native_speed
  test "of real documents" do
    read = for path <- @corpus, assert_same(File.read!(path), path) == :same, do: path
    assert length(read) > 10
  end

  @tag :conformance
  @tag skip:
         if(not File.exists?(@suite), do: "the suite is not in #{@suite}, see bin/fetch-xmlconf")
  test "of the W3C's documents" do
    paths = Path.wildcard(@suite <> "/**/*.xml")
    same = for path <- paths, assert_same(File.read!(path), path) == :same, do: path
    assert length(same) > 500
  end

  @tag skip: Expat.missing()
  @tag :tmp_dir
  test "of random documents, which expat reads as well", %{tmp_dir: directory} do
    paths =
      for n <- 1..Emulated.fewer(40) do
        tree = Trees.tree(4)

        xml =
          BoundedXml.encode(
            tree,
            Enum.random([[], [quote: :single], [indent: 2], [empty: :expand]])
          )

        path = Path.join(directory, "#{n}.xml")
        File.write!(path, xml)
        path
      end

    assert {:ok, lines} = Expat.describe(paths)
    assert length(lines) == length(paths)
    refute "malformed" in lines
  end

  defp assert_same(document, path) do
    results = for emit <- @emits, do: assert_same(document, path, limits: :trusted, emit: emit)
    if Enum.all?(results, &(&1 == :same)), do: :same, else: :not_compared
  end

  defp assert_same(document, path, options) do
    case Xml.events(document, options) do
      {_events, error} when error != nil ->
        :malformed

      {events, nil} ->
        if Enum.any?(events, &match?({:skipped_entity, _}, &1)),
          do: :skipped,
          else: assert_reads_alike(events, options, path)
    end
  end

  defp assert_reads_alike(events, options, path) do
    written = events |> BoundedXml.encode_stream() |> Enum.join()
    {again, error} = Xml.events(written, options)
    assert error == nil, "#{path}: #{inspect(error)}"
    assert comparable(again) == comparable(events), path
    :same
  end

  defp comparable(events) do
    events |> Trees.joined() |> Enum.map(&without_encoding/1)
  end

  defp without_encoding({:start_document, prolog}),
    do: {:start_document, Keyword.delete(prolog, :encoding)}

  defp without_encoding(event), do: event
end
