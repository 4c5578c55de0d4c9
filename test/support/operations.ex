defmodule Bounded.Test.Operations do
  @moduledoc false
  # The public operations that reserve memory, for tests that refuse it to each of them. A new operation is one more line.

  @dialyzer :no_improper_lists

  alias Bounded.Test.Xml
  alias BoundedXml.Conn

  @kib 1024
  @mib 1024 * 1024

  @doc "`{name, fun}` of every operation; `fun` is called with what `inputs/1` returns."
  def all, do: xml() ++ written() ++ binaries() ++ quotas()

  @doc "What the operations work on. Files are written to `dir`, and a pool `pool` must run."
  def inputs(dir, pool, conn) do
    document = document()
    plain = Path.join(dir, "document.xml")
    File.write!(plain, document)
    compressed = Path.join(dir, "document.xml.gz")
    File.write!(compressed, :zlib.gzip(document))
    big = :binary.copy("some bytes\n", 60_000)

    %{
      document: document,
      plain: plain,
      compressed: compressed,
      pool: pool,
      conn: conn,
      big: big,
      unaligned: unaligned(big),
      part: binary_part(:binary.copy(big, 2), 7, 600_000),
      tree: {"r", [{"a", "<"}], List.duplicate({"item", [{"k", "v"}], ["text & more"]}, 300)},
      term: :erlang.term_to_binary(Enum.to_list(1..2_000), [:compressed])
    }
  end

  defp xml do
    [
      {"parse", &BoundedXml.parse!(&1.document)},
      {"parse of more than 512 KiB", &BoundedXml.parse!(["<r>", &1.big, "</r>"])},
      {"parse of a file", &BoundedXml.parse!({:file, &1.plain})},
      {"parse of a compressed file", &BoundedXml.parse!({:file, &1.compressed, [:compressed]})},
      {"stream", &Enum.to_list(BoundedXml.stream(&1.document))},
      {"stream, in small parts", &events(&1, chunk_bytes: 100)},
      {"stream, with everything that can be asked for",
       &events(&1,
         namespaces: true,
         emit: [:cdata, :comments, :processing_instructions, :doctype],
         positions: true,
         text: :joined,
         chunk_bytes: 500
       )},
      {"stream of UTF-16", &Enum.to_list(BoundedXml.stream(utf16(&1.document)))},
      {"stream without white space", &events(&1, skip_whitespace: true)},
      {"stream of an enumerable", &Enum.to_list(BoundedXml.stream(Xml.cut(&1.document, 499)))},
      {"two streams at once",
       &Enum.to_list(Stream.zip(BoundedXml.stream(&1.document), BoundedXml.stream(&1.document)))},
      {"many documents", fn _ -> events(%{document: "<a><b/></a><c x='1'/>"}, roots: :many) end},
      {"reduce", &BoundedXml.reduce(&1.document, 0, fn _, count -> {:cont, count + 1} end)},
      {"select", &Enum.to_list(BoundedXml.select(&1.document, "r/item"))},
      {"select with namespaces",
       &Enum.to_list(BoundedXml.select(&1.document, "//d:*", prefixes: %{"d" => "urn:d"}))},
      {"select of a request's body",
       fn inputs ->
         conn = %{inputs.conn | adapter: own(inputs.conn.adapter)}
         {items, _conn} = Conn.with_body(conn, [], &Enum.count(BoundedXml.select(&1, "r/item")))
         items
       end},
      {"push parser", &push(&1.document)},
      {"fields",
       &records(&1, "r/item",
         fields: [v: "d:v", all: {:all, "@id"}, lines: {:records, "d:v", [t: "."]}]
       )},
      {"raw", &records(&1, "r/item", as: :raw, chunk_bytes: 100)},
      {"raw of more than 256 KiB", &records(%{document: ["<r>", &1.big, "</r>"]}, "r", as: :raw)},
      {"raw in fields, with all that is told of records",
       &records(&1, "//item",
         fields: [raw: {:raw, "."}, v: {:all, {:raw, "*"}}, t: "."],
         positions: true,
         byte_offsets: true,
         chunk_bytes: 333
       )},
      {"select with positions and scope",
       &records(&1, "//item", scope: true, positions: true, byte_offsets: true)},
      {"push parser of records", &push_records(&1.document)}
    ]
  end

  defp written do
    [
      {"encode", &BoundedXml.encode(&1.tree)},
      {"encode of more than 512 KiB",
       fn _ -> BoundedXml.encode({"r", [], [:binary.copy("<", 110 * @kib)]}) end},
      {"encode, indented, with namespaces",
       fn _ ->
         BoundedXml.encode({{"urn:x", "a"}, [{{"urn:y", "k"}, "1"}], [nested(100)]}, indent: 2)
       end},
      {"encode_to_iodata", &IO.iodata_to_binary(BoundedXml.encode_to_iodata(&1.tree))},
      {"encode_stream",
       &(&1.document |> BoundedXml.stream() |> BoundedXml.encode_stream() |> Enum.join())},
      {"encode_stream of selected elements",
       &(&1.document
         |> BoundedXml.select("r/item")
         |> BoundedXml.encode_stream(root: {"r", []})
         |> Enum.join())},
      {"escape", &BoundedXml.escape(:binary.copy("<", 132 * @kib) <> &1.document)},
      {"unescape", &BoundedXml.unescape("&lt;" <> &1.part)}
    ]
  end

  defp binaries do
    [
      {"copy", &BoundedBinary.copy(&1.part)},
      {"copy of more than a megabyte", &BoundedBinary.copy(:binary.copy(&1.big, 2))},
      {"copy of what starts within a byte", &BoundedBinary.copy(&1.unaligned)},
      {"copy, repeated", &BoundedBinary.copy(&1.big, 3)},
      {"slice", &BoundedBinary.slice(&1.big, 5, 600_000)},
      {"slices", &BoundedBinary.slices(&1.big, [{0, 600_000}, {5, 10}, {9, 640_000}])},
      {"slices that share",
       &BoundedBinary.slices(&1.big, [{0, 300_000}, {5, 300_000}], shared: true)},
      {"split", &Enum.to_list(BoundedBinary.split(&1.big <> "|" <> &1.part, "|"))},
      {"lines",
       &Enum.count(BoundedBinary.lines([&1.part, "\n", :binary.copy("x", 600_000), "x\r\n"]))},
      {"concat", &BoundedBinary.concat([&1.part, [?a, &1.big], "end"])},
      {"compact", &BoundedBinary.compact({1, [&1.part | %{k: &1.part}]})},
      {"read_file", &elem(BoundedBinary.read_file(&1.plain), 1)},
      {"read_file of a file without a size",
       &byte_size(elem(BoundedBinary.read_file(proc(&1)), 1))},
      {"inflate, with a declared size", &BoundedBinary.inflate(:zlib.gzip(&1.big))},
      {"inflate", &BoundedBinary.inflate(:zlib.compress(binary_part(&1.big, 0, 100_000)))},
      {"to_term", &BoundedBinary.to_term(&1.term)},
      {"term_to_binary", &BoundedBinary.term_to_binary(&1.tree)}
    ]
  end

  defp quotas do
    [
      {"a nested run", &Quota.run(8 * @mib, fn -> byte_size(BoundedBinary.copy(&1.part)) end)},
      {"try_run of a nested run",
       fn %{part: part} ->
         case Quota.try_run(8 * @mib, fn -> byte_size(BoundedBinary.copy(part)) end) do
           {:ok, size} -> size
           {:error, error} -> raise error
         end
       end},
      {"a run in a pool",
       &Quota.run(8 * @mib, fn -> byte_size(BoundedBinary.copy(&1.part)) end, pool: &1.pool)},
      {"a counted child",
       fn %{part: part} ->
         work = fn ->
           Task.await(Task.async(fn -> outcome(fn -> BoundedBinary.copy(part) end) end))
         end

         case Quota.run(8 * @mib, work, count: [:children]) do
           {:ok, copy} -> copy
           {:error, error} -> raise error
         end
       end}
    ]
  end

  @doc "`{:ok, result}` of `fun`, or `{:error, exception}`."
  def outcome(fun) do
    {:ok, fun.()}
  rescue
    error -> {:error, error}
  end

  # Every kind of growth: open elements, names, declarations, values of several sizes.
  defp document do
    items =
      for n <- 1..6 do
        "<item id='#{n}' name#{n}='&e;'><d:v>text &e; #{n}</d:v>\r\n  <![CDATA[a]]><!--c--><?p i?></item>"
      end

    """
    <!DOCTYPE r [<!ENTITY e "an entity"><!ATTLIST item kind CDATA "default &e;">]>
    <r xmlns:d="urn:d" long="#{String.duplicate("value ", 400)}">#{items}
    #{String.duplicate("<deep>", 40)}#{String.duplicate("text ", 400)}#{String.duplicate("</deep>", 40)}
    <item#{for n <- 1..50, do: " a#{n}='#{n}'"}/></r>
    """
  end

  defp events(%{document: document}, options),
    do: document |> BoundedXml.stream(options) |> Enum.to_list()

  defp utf16(text), do: :unicode.characters_to_binary("\uFEFF" <> text, :utf8, {:utf16, :little})

  defp push(document) do
    {:ok, parser} = BoundedXml.Parser.new()

    events =
      for part <- Xml.cut(document, 1_000) do
        {:ok, events} = BoundedXml.Parser.feed(parser, part)
        events
      end

    {:ok, last} = BoundedXml.Parser.finish(parser)
    [events, last]
  end

  defp records(%{document: document}, path, options),
    do: document |> BoundedXml.select(path, options) |> Enum.to_list()

  defp push_records(document) do
    paths = [
      item: {"r/item", fields: [raw: {:raw, "."}, n: {:map, "@id", &String.to_integer/1}]},
      deep: "r/deep"
    ]

    {:ok, parser} = BoundedXml.Parser.new(select: paths)

    {records, parser} =
      for part <- Xml.cut(document, 1_000), reduce: {[], parser} do
        {records, parser} ->
          {:ok, more, parser} = BoundedXml.Parser.feed(parser, part)
          {[more | records], parser}
      end

    {:ok, last} = BoundedXml.Parser.finish(parser)
    [records, last]
  end

  defp nested(0), do: "text"
  defp nested(depth), do: {{"urn:#{rem(depth, 7)}", "e#{depth}"}, [], [nested(depth - 1)]}

  defp unaligned(binary) do
    <<_::3, unaligned::binary-size(640_000), _::bits>> = binary
    unaligned
  end

  # The adapter of tests answers to its owner alone.
  defp own({adapter, state}), do: {adapter, %{state | owner: self()}}

  defp proc(inputs) do
    if File.exists?("/proc/filesystems"), do: "/proc/filesystems", else: inputs.plain
  end
end
