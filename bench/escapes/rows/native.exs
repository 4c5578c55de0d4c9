defmodule Bench.Escapes.Rows.Native do
  # Memory that this library allocates.

  import Bench.Escapes.{Data, Row}

  @left "the allocator keeps freed blocks for a second; giving them back at once makes calls of 1 to 5 ms"
  @gib 1_073_741_824
  @part String.duplicate("y", 30_000)

  def rows, do: binaries() ++ parsers() ++ values()

  defp binaries do
    [
      row("BoundedBinary.concat of 1000 references to 1 MB", 1.1, fn ->
        byte_size(BoundedBinary.concat(List.duplicate(megabyte(), 1_000)))
      end),
      row("BoundedBinary.copy to 1 GB", 1.1, fn ->
        byte_size(BoundedBinary.copy("x", 1_000_000_000))
      end),
      row("BoundedBinary.slices: 10,000 of 100 KB", 1.3, fn ->
        length(BoundedBinary.slices(megabyte(), List.duplicate({0, 100_000}, 10_000)))
      end),
      row("BoundedBinary.split of 50 MB, one piece at a time", 1.3, [ends: :returns], fn ->
        :binary.copy("a ", 25_000_000) |> BoundedBinary.split(" ") |> Enum.count()
      end),
      row("BoundedBinary.split of 50 MB, all pieces kept", 2.0, fn ->
        :binary.copy("a ", 25_000_000) |> BoundedBinary.split(" ") |> Enum.to_list() |> length()
      end),
      row("BoundedBinary.lines of an endless line", 2.0, fn ->
        [] |> endless(@part) |> BoundedBinary.lines(max_bytes: :infinity) |> Enum.count()
      end),
      row("BoundedBinary.term_to_binary of 1000 references to 1 MB", 1.1, fn ->
        List.duplicate(megabyte(), 1_000)
        |> BoundedBinary.term_to_binary(max_bytes: :infinity)
        |> byte_size()
      end),
      row(
        "BoundedBinary.read_file of 1 GB",
        1.1,
        [prepare: fn -> zeros(1_000_000_000) end],
        fn path ->
          {:ok, binary} = BoundedBinary.read_file(path)
          byte_size(binary)
        end
      ),
      row("BoundedBinary.read_file of /dev/zero", 1.3, fn ->
        {:ok, binary} = BoundedBinary.read_file("/dev/zero")
        byte_size(binary)
      end)
    ]
  end

  defp parsers do
    [
      row("60,000 parsers that have read nothing", 1.3, fn ->
        length(for _ <- 1..60_000, do: elem(BoundedXml.Parser.new(), 1))
      end),
      row("60,000 selections that have read nothing", 1.3, fn ->
        length(for _ <- 1..60_000, do: suspended("<r/>" |> List.wrap() |> BoundedXml.select("r")))
      end),
      row("100,000 parsers in an attribute of 20 KB", 1.3, fn ->
        length(for _ <- 1..100_000, do: in_an_attribute())
      end),
      row("selected records, kept", 2.0, fn ->
        record = "<i a='1'>#{String.duplicate("y", 3_000)}</i>"
        ["<r>"] |> endless(record) |> BoundedXml.select("r/i") |> Enum.to_list() |> length()
      end),
      row("XML: open elements without end", 2.0, fn ->
        ["<r>"]
        |> endless(String.duplicate("<abcdefgh>", 3_000))
        |> BoundedXml.select("r", max_depth: @gib, max_record_bytes: @gib)
        |> Enum.to_list()
        |> length()
      end),
      row(
        "XML: distinct names without end",
        1.5,
        [ends: :either, options: [timeout: 10_000]],
        fn ->
          Stream.concat(
            ["<r>"],
            Stream.map(Stream.iterate(1, &(&1 + 1)), &"<n#{&1}#{String.duplicate("q", 900)}/>")
          )
          |> BoundedXml.stream(max_depth: @gib)
          |> Enum.count()
        end
      )
    ]
  end

  # One value, tag or declaration that grows until its limit is reached: so is the buffer that it is collected in.
  defp values do
    [
      row("XML: joined text without end", 1.6, [why: @left], fn ->
        all(endless(["<r>"], @part), text: :joined, max_text_bytes: @gib)
      end),
      row("XML: one attribute's value without end", 1.6, [why: @left], fn ->
        tokens(["<r a='"], @part)
      end),
      row("XML: one tag of attributes without end", 1.3, fn ->
        attributes = Stream.map(Stream.iterate(1, &(&1 + 1)), &" a#{&1}='#{&1}'")
        ["<r"] |> Stream.concat(attributes) |> all(max_attributes: @gib, max_token_bytes: @gib)
      end),
      row("XML: one comment without end", 1.6, [why: @left], fn ->
        all(endless(["<r><!--"], @part), emit: [:comments], max_token_bytes: @gib)
      end),
      row("XML: one processing instruction without end", 1.6, [why: @left], fn ->
        all(endless(["<r><?p "], @part),
          emit: [:processing_instructions],
          max_token_bytes: @gib
        )
      end),
      row("XML: one CDATA section without end, joined", 1.6, [why: @left], fn ->
        all(endless(["<r><![CDATA["], @part), text: :joined, max_text_bytes: @gib)
      end),
      row("XML: one name without end", 1.3, fn ->
        all(endless(["<r><"], @part), max_name_bytes: @gib, max_token_bytes: @gib)
      end),
      row("XML: a document type declaration without end", 1.3, fn ->
        declarations = Stream.map(Stream.iterate(1, &(&1 + 1)), &"<!ENTITY e#{&1} 'value #{&1}'>")

        ["<!DOCTYPE r ["]
        |> Stream.concat(declarations)
        |> all(
          emit: [:doctype],
          max_dtd_bytes: @gib,
          max_token_bytes: @gib,
          max_entities: @gib,
          max_entity_bytes: @gib
        )
      end)
    ]
  end

  defp endless(start, part), do: Stream.concat(start, Stream.repeatedly(fn -> part end))

  defp tokens(start, part),
    do: all(endless(start, part), max_attribute_bytes: @gib, max_token_bytes: @gib)

  defp all(source, options),
    do: source |> BoundedXml.stream(options) |> Enum.to_list() |> length()

  defp in_an_attribute do
    {:ok, parser} = BoundedXml.Parser.new()
    {:ok, _} = BoundedXml.Parser.feed(parser, ["<a b='", :binary.copy(<<?x>>, 20_000)])
    parser
  end

  defp suspended(stream) do
    {:suspended, _, continue} =
      Enumerable.reduce(stream, {:cont, nil}, fn _, _ -> {:suspend, nil} end)

    continue
  end
end
