defmodule BoundedXml.SamplesTest do
  use ExUnit.Case, async: false

  # Real documents: the same events however they are cut, and the same as Python's expat finds.

  alias Bounded.Test.{Calls, Expat, Hostile, Samples}

  # Malformed in the wild: a bare `&`.
  @malformed ["iso_3166-2.xml"]

  # What takes seconds byte for byte is left to the slow test.
  @small 100_000

  {corpus, skip} =
    case Samples.corpus() do
      {:ok, paths} -> {paths, nil}
      {:error, reason} -> {[], reason}
    end

  if skip, do: IO.puts("samples: #{skip}; the test is skipped")
  @corpus corpus

  @tag :native_speed
  test "the project's own documents, at every cut" do
    for path <- Samples.own() do
      expected = fingerprint({:file, path}, 65_536)
      document = File.read!(path)
      for size <- 1..300, do: assert(fingerprint(document, size) == expected)
    end
  end

  @tag skip: skip
  @tag :native_speed
  test "the corpus in chunks of 4096 and 65536 bytes, small ones of 1 and 7" do
    for path <- @corpus do
      expected = fingerprint({:file, path}, 65_536)
      assert fingerprint({:file, path}, 4_096) == expected, path

      # Cut from memory: reading a file byte by byte takes twenty times as long, and on a busy machine minutes.
      document = File.read!(path)

      if byte_size(document) < @small do
        for size <- [1, 7], do: assert(fingerprint(document, size) == expected, path)
      end
    end
  end

  @tag skip: skip
  @tag :native_speed
  test "no NIF call takes a millisecond of CPU time" do
    {longest, path} = @corpus |> Enum.map(&{longest_call(&1), Path.basename(&1)}) |> Enum.max()
    IO.puts("samples: the longest NIF call took #{div(longest, 1_000)} us of CPU time (#{path})")
    assert longest < 1_000_000
  end

  defp longest_call(path) do
    read = fn -> Hostile.read(BoundedXml.stream({:file, path}, limits: :trusted)) end
    Calls.measure(fn -> Calls.once(read) end).longest
  end

  @tag skip: skip
  @tag :slow
  @tag timeout: 600_000
  @tag :native_speed
  test "all of the corpus in chunks of 1 byte and of 7" do
    for path <- @corpus do
      expected = fingerprint({:file, path}, 65_536)
      document = File.read!(path)
      for size <- [1, 7], do: assert(fingerprint(document, size) == expected, path)
    end
  end

  @tag skip: skip
  test "rejects what is malformed, and at the right place" do
    for path <- @corpus, Path.basename(path) in @malformed do
      error = assert_raise BoundedXml.ParseError, fn -> digest(path) end
      assert %{kind: :malformed, byte_offset: offset} = error
      assert path |> File.read!() |> binary_part(offset, 1) == "&"
    end
  end

  @tag skip: skip || Expat.missing()
  @tag :native_speed
  test "agrees with expat, event for event" do
    paths = @corpus ++ Samples.own()
    assert {:ok, lines} = Expat.describe(paths)
    assert length(lines) == length(paths)

    for {path, expected} <- Enum.zip(paths, lines) do
      found = if Path.basename(path) in @malformed, do: "malformed", else: digest(path)
      assert found == expected, "#{path}: #{found}, expat: #{expected}"
    end
  end

  # A hash over all events, and the error.
  defp fingerprint(source, size) do
    source
    |> BoundedXml.stream(chunk_bytes: size, limits: :trusted)
    |> Enum.reduce(0, &:erlang.phash2([&2 | &1], 4_294_967_296))
  rescue
    error in BoundedXml.ParseError -> error
  end

  # What `expat.py` prints.
  defp digest(path) do
    {:file, path}
    |> BoundedXml.stream(limits: :trusted, text: :joined)
    |> Enum.reduce({0, 0, 0, :erlang.md5_init()}, &count/2)
    |> then(fn {elements, attributes, text, md5} ->
      md5 = md5 |> :erlang.md5_final() |> Base.encode16(case: :lower)
      "#{elements} #{attributes} #{text} #{md5}"
    end)
  end

  defp count({:start_element, {name, attributes}}, {elements, count, text, md5}) do
    attributes_text = for {name, value} <- attributes, do: [name, 0, value, 0]
    md5 = :erlang.md5_update(md5, ["S", name, 0, attributes_text])
    {elements + 1, count + length(attributes), text, md5}
  end

  defp count({:end_element, name}, {elements, attributes, text, md5}),
    do: {elements, attributes, text, :erlang.md5_update(md5, ["E", name, 0])}

  defp count({:characters, characters}, {elements, attributes, text, md5}) do
    md5 = :erlang.md5_update(md5, ["T", characters, 0])
    {elements, attributes, text + byte_size(characters), md5}
  end

  defp count(_event, acc), do: acc
end
