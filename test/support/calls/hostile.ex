defmodule Bounded.Test.Hostile do
  @moduledoc false
  # Documents that are attacks by their length, made while they are read, and what must become of each;
  # and documents whose values are as large as the limits allow.

  @chunk 65_536
  @m 1_000_000
  @g 1_000_000_000

  @doc """
  `{name, chunks, options, verdict}` of every attack. `bytes` is the length of the endless ones, which are a
  gigabyte at full size; none of the others is longer.
  """
  def attacks(bytes \\ @g) do
    size = &min(&1, bytes)
    # `count` units of `unit` bytes, fewer where the sum would exceed `bytes`.
    count = fn count, unit -> min(count, div(bytes, unit)) end
    g = size.(@g)

    [
      {"attr_value_1g", [~s(<r a="), rep("x", g), ~s("/>)], {:limit, :max_attribute_bytes}},
      {"tag_name_1g", ["<", rep("x", g), "/>"], {:limit, :max_name_bytes}},
      {"attr_name_1g", ["<r ", rep("x", g), ~s(="1"/>)], {:limit, :max_name_bytes}},
      {"end_tag_1g", ["<r></r", rep(" ", g), ">"], {:limit, :max_token_bytes}},
      {"tag_space_1g", ["<r", rep(" ", g), "/>"], {:limit, :max_token_bytes}},
      {"comment_1g", ["<!--", rep("x", g), "--><r/>"], {:limit, :max_token_bytes}},
      {"cdata_1g", ["<r><![CDATA[", rep("x", g), "]]></r>"], :ok},
      {"cdata_brackets_1g", ["<r><![CDATA[", rep("]", g), ">x]]></r>"], :malformed},
      {"text_1g", ["<r>", rep("x", g), "</r>"], :ok},
      {"space_1g", ["<r/>", rep(" \n", g)], :ok},
      {"pi_1g", ["<?p ", rep("x", g), "?><r/>"], {:limit, :max_token_bytes}},
      {"doctype_1g", ["<!DOCTYPE r [", rep("<!-- x -->\n", g), "]><r/>"],
       {:limit, :max_dtd_bytes}},
      {"doctype_sysid_1g", [~s(<!DOCTYPE r SYSTEM "), rep("x", g), ~s("><r/>)],
       {:limit, :max_dtd_bytes}},
      {"entity_value_1g", [~s(<!DOCTYPE r [<!ENTITY a "), rep("x", g), ~s(">]><r/>)],
       {:limit, :max_dtd_bytes}},
      {"charref_1g", ["<r>&#", rep("0", g), "65;</r>"], {:limit, :max_name_bytes}},
      {"entname_1g", ["<r>&", rep("x", g), ";</r>"], {:limit, :max_name_bytes}},
      {"xmldecl_1g", [~s(<?xml version="1.0"), rep(" ", g), "?><r/>"], {:limit, nil}},
      {"depth_1m", [rep("<a>", size.(3 * @m)), rep("</a>", size.(4 * @m))], {:limit, :max_depth}},
      {"depth_1m_open", [rep("<a>", size.(3 * @m))], {:limit, :max_depth}},
      {"depth_ns_100k",
       [numbered(count.(100_000, 20), &~s(<a xmlns="u#{&1}">)), rep("</a>", size.(400_000))],
       {:limit, :max_namespaces}},
      {"attrs_1m", ["<r", numbered(count.(@m, 12), &~s( a#{&1}="")), "/>"],
       {:limit, :max_attributes}},
      {"attrs_1m_dup", ["<r", numbered(count.(@m, 12), &~s( a#{rem(&1, @m - 1)}="")), "/>"],
       {:limit, :max_attributes}},
      {"nsdecl_1m", ["<r", numbered(count.(@m, 24), &~s( xmlns:p#{&1}="u#{&1}")), "/>"],
       {:limit, :max_attributes}},
      {"nsdecl_deep", [numbered(250, &deep_declarations/1), rep("</a>", 1_000)],
       {:limit, :max_namespaces}},
      {"names_3m", ["<r>", numbered(count.(3 * @m, 12), &"<n#{&1}/>"), "</r>"], :ok},
      {"attr_names_3m", ["<r>", numbered(count.(3 * @m, 16), &~s(<e a#{&1}="1"/>)), "</r>"], :ok},
      {"tiny_elements", ["<r>", rep("<a/>", size.(400 * @m)), "</r>"], :ok},
      {"tiny_text", ["<r>", rep("a<b/>", size.(250 * @m)), "</r>"], :ok},
      {"charrefs", ["<r>", rep("&#65;", size.(100 * @m)), "</r>"], :ok},
      {"crlf", ["<r>", rep("\r\n", size.(200 * @m)), "</r>"], :ok},
      {"forever", ["<r>", rep(~s(<rec id="1"><v>some text</v></rec>\n), g)], :truncated},
      {"roots_forever", [rep("<a/>", g)], :malformed},
      {"utf16_depth", [<<0xFF, 0xFE>>, rep("<\0a\0>\0", size.(6 * @m))], {:limit, :max_depth}}
    ]
    |> Enum.map(fn {name, parts, verdict} ->
      options = if String.starts_with?(name, ["nsdecl", "depth_ns"]), do: [namespaces: true]
      {name, chunks(parts), options || [], verdict}
    end)
  end

  @doc "`{name, chunks, options, :ok}` of documents with large values, or with many in one tag."
  def large do
    # Just below the limits of 4 MiB for a value and 8 MiB for a token.
    value = rep("some value ", 4_190_000)
    names = &Enum.map(1..&1, fn n -> "a#{n}" end)

    attributes = fn count, bytes ->
      for n <- names.(count), do: [" #{n}='", rep("v", bytes), "'"]
    end

    namespaced = [namespaces: true]
    joined = [text: :joined]

    [
      {"attribute 4 MB", ["<r a='", value, "'/>"], []},
      {"attribute 4 MB, references", ["<r a='", rep("&#65;b", 4_190_000), "'/>"], []},
      {"attribute 4 MB, line ends", ["<r a='", rep("abc\r\n", 4_190_000), "'/>"], []},
      {"attribute 4 MB, UTF-16",
       [<<0xFF, 0xFE>>, utf16("<r a='"), rep("b\0", 8 * @m), utf16("'/>")], []},
      {"attributes 2 x 4 MB", ["<r a='", value, "' b='", rep("x", 4_190_000), "'/>"], []},
      {"attributes 256 x 20 KB", ["<r", attributes.(256, 20_000), "/>"], []},
      {"attributes 256 x 32 KB", ["<r", attributes.(256, 32_000), "/>"], []},
      {"attributes 256 x 1 KB", ["<r", attributes.(256, 1_000), "/>"], []},
      {"attributes 256 x 900 B, often",
       ["<r>", List.duplicate(["<e", attributes.(256, 900), "/>"], 40), "</r>"], []},
      {"attributes 256, names of 1 KB, often",
       [
         "<r>",
         List.duplicate(["<e", for(n <- 1..256, do: " #{long_name(n)}=''"), "/>"], 20),
         "</r>"
       ], []},
      {"text 4 MB, joined", ["<r>", value, "</r>"], joined},
      {"CDATA 4 MB, joined", ["<r><![CDATA[", value, "]]></r>"], joined},
      {"references 4 MB, joined", ["<r>", rep("&#65;bcdef", 6 * @m), "</r>"], joined},
      {"comment 8 MB", ["<r><!--", rep("some words ", 8_380_000), "--></r>"],
       [emit: [:comments]]},
      {"instruction 8 MB", ["<r><?p ", rep("some words ", 8_380_000), "?></r>"],
       [emit: [:processing_instructions]]},
      {"DOCTYPE 64 KB", ["<!DOCTYPE r [", rep("<!-- some comment -->\n", 65_000), "]><r/>"],
       [emit: [:doctype, :comments]]},
      {"namespaces 127 x 1 KB, then one more, often",
       [
         ["<r", for(n <- 1..127, do: " xmlns:p#{n}='#{long_uri(n)}'"), ">"],
         List.duplicate("<a xmlns='#{long_uri(200)}'/>", 2_000),
         "</r>"
       ], namespaced},
      {"namespaces 127 x 1 KB, all used, often",
       [
         ["<r", for(n <- 1..127, do: " xmlns:p#{n}='#{long_uri(n)}'"), ">"],
         List.duplicate(for(n <- 1..127, do: "<p#{n}:a/>"), 500),
         "</r>"
       ], namespaced},
      {"prefixes 120, used by 256 attributes, often",
       [
         ["<r", for(n <- 1..120, do: " xmlns:p#{n}='u#{n}'"), ">"],
         List.duplicate(["<a", for(n <- 1..250, do: " p#{rem(n, 120) + 1}:a#{n}=''"), "/>"], 200),
         "</r>"
       ], namespaced},
      {"defaults 250, often",
       [
         [
           "<!DOCTYPE r [<!ATTLIST a ",
           for(n <- names.(250), do: "#{n} CDATA 'value' "),
           ">]><r>"
         ],
         rep("<a/>", 1_200),
         "</r>"
       ], []}
    ]
    |> Enum.map(fn {name, parts, options} -> {name, chunks(parts), options, :ok} end)
  end

  @doc "`{name, chunks, options, :ok}` of documents that only `limits: :trusted` lets pass."
  def trusted do
    many = for n <- 1..16_384, do: " attribute#{n}='value'"
    prefixed = for n <- 1..8_000, do: " p#{n}:a#{n}=''"
    declared = for n <- 1..8_000, do: " xmlns:p#{n}='urn:#{n}'"
    defaults = for n <- 1..3_000, do: "attribute#{n} CDATA 'value' "

    [
      {"16,384 attributes", ["<r", many, "/>"], []},
      {"16,384 attributes of 1 KB",
       ["<r", Enum.map(many, &[String.trim_trailing(&1, "'"), rep("v", 1_000), "'"]), "/>"], []},
      {"16,384 attributes, then small tags", ["<r", many, ">", rep(small_tag(), 500_000), "</r>"],
       []},
      {"8,000 prefixes, all used", ["<r", declared, prefixed, "/>"], [namespaces: true]},
      {"8,000 prefixes, used one by one",
       ["<r", declared, ">", for(n <- 1..8_000, do: "<p#{n}:a/>"), "</r>"], [namespaces: true]},
      {"3,000 defaults", ["<!DOCTYPE r [<!ATTLIST r ", defaults, ">]><r/>"], []},
      {"attribute of 64 MB", ["<r a='", rep("some value ", 64 * @m), "'/>"], []},
      {"text of 64 MB, joined", ["<r>", rep("some text ", 64 * @m), "</r>"], [text: :joined]}
    ]
    |> Enum.map(fn {name, parts, options} ->
      {"trusted: " <> name, chunks(parts), [limits: :trusted] ++ options, :ok}
    end)
  end

  @doc "`{name, chunks, path, options, :ok}` of selections of large records."
  def records do
    cell = "<c><v>some text</v><w a='b'/></c>"

    [
      {"record, text of 15 MB", ["<r>", rep("some text ", 15 * @m), "</r>"]},
      {"record of 15 MB, in small elements", ["<r>", rep(cell, 3 * @m), "</r>"]},
      {"record, 16,384 attributes", ["<r", for(n <- 1..16_384, do: " a#{n}='v'"), "/>"],
       [limits: :trusted]},
      {"record, attributes 256 x 20 KB",
       ["<r", for(n <- 1..256, do: [" a#{n}='", rep("v", 20_000), "'"]), "/>"]},
      {"record, attribute 4 MB", ["<r a='", rep("some value ", 4_190_000), "'/>"]},
      {"records of 1 MB, often",
       ["<q>", List.duplicate(["<r>", rep("some text ", 1 * @m), "</r>"], 20), "</q>"]}
    ]
    |> Enum.map(fn
      {name, parts} -> {name, chunks(parts), "//r", [], :ok}
      {name, parts, options} -> {name, chunks(parts), "//r", options, :ok}
    end)
  end

  @doc "The options of `dense/0` that a selection takes."
  def selecting(options), do: Keyword.drop(options, [:emit, :text])

  @doc "`{name, document, options}` of documents of many small parts, of which a call reads a bounded number."
  def dense do
    r = &IO.iodata_to_binary(["<r>", repeated(&1, 2 * @m), "</r>"])
    value = &IO.iodata_to_binary(["<r a='", repeated(&1, 2 * @m), "'/>"])
    latin1 = &("<?xml version='1.0' encoding='ISO-8859-1'?>" <> r.(&1))

    [
      {"comments", r.("<!---->"), []},
      {"comments, emitted", r.("<!---->"), [emit: [:comments]]},
      {"instructions", r.("<?a?>"), []},
      {"instructions, emitted", r.("<?a?>"), [emit: [:processing_instructions]]},
      {"CDATA sections", r.("<![CDATA[]]>"), []},
      {"CDATA sections, joined", r.("<![CDATA[x]]>y"), [text: :joined]},
      {"brackets", r.("]"), []},
      {"brackets, apart", r.("]x"), []},
      {"CRs", r.("\r"), []},
      {"CRs and LFs", r.("\r\n"), []},
      {"CRs between tags", r.("\r<a/>"), []},
      {"CRs in a comment", r.("<!--#{repeated("\r", 60_000)}-->"), []},
      {"CRs in a value", value.("\r"), []},
      {"tabs in a value", value.("\t"), []},
      {"references", r.("&lt;"), []},
      {"references in a value", value.("&lt;"), []},
      {"tags", r.("<a/>"), []},
      {"tags with spaces", r.("<a b = '' />"), []},
      {"ISO-8859-1", latin1.(<<0xE9>>), []},
      {"ISO-8859-1, half of it ASCII", latin1.(<<0xE9, ?a>>), []},
      {"UTF-16", <<0xFE, 0xFF>> <> :unicode.characters_to_binary(r.("e"), :utf8, :utf16), []},
      {"Shift_JIS", "<?xml version='1.0' encoding='Shift_JIS'?>" <> r.(<<0x82, 0xA0>>), []},
      {"entities", "<!DOCTYPE r [<!ENTITY e 'x'>]>" <> r.("&e;"), [limits: :trusted]},
      {"empty entities", "<!DOCTYPE r [<!ENTITY e ''>]>" <> r.("&e;"), [limits: :trusted]},
      {"wrong characters", r.("\v"), [recover: [:characters], max_recoveries: 3 * @m]}
    ]
  end

  @doc "`{name, document}` of document type declarations of as many small parts as can be."
  def declarations do
    subset = &"<!DOCTYPE a [#{&1}]><a/>"
    within = &subset.(&1 <> repeated(&2, 90_000) <> &3)
    declared = &within.("", &1, "")
    numbered = &Enum.map_join(1..&1, &2)

    [
      {"references to characters", within.("<!ENTITY e '", "&#65;", "'>")},
      {"references to entities", within.("<!ENTITY e '", "&a;", "'>")},
      {"CRs in an entity", within.("<!ENTITY e '", "\r", "'>")},
      {"a content model", within.("<!ELEMENT a (b", ",b", ")>")},
      {"a mixed content model", within.("<!ELEMENT a (#PCDATA", "|b", ")*>")},
      {"groups side by side", within.("<!ELEMENT a (b", ",((b))", ")>")},
      {"an enumeration", within.("<!ATTLIST a b (c", "|c", ") #IMPLIED>")},
      {"notations of an attribute", within.("<!ATTLIST a b NOTATION (c", "|c", ") #IMPLIED>")},
      {"attributes of many elements",
       subset.(numbered.(3_000, &"<!ATTLIST e#{&1} b CDATA 'x'>"))},
      {"attributes of an element",
       subset.("<!ATTLIST a#{numbered.(5_000, &" b#{&1} CDATA 'x'")}>")},
      {"tabs in a default", within.("<!ATTLIST a b CDATA '", "\t", "'>")},
      {"references in a default", within.("<!ATTLIST a b CDATA '", "&lt;", "'>")},
      {"entities", subset.(numbered.(4_500, &"<!ENTITY e#{&1} 'x'>"))},
      {"references to parameter entities", within.("<!ENTITY % e ''>", "%e;", "")},
      {"quotes", within.("<!ENTITY e SYSTEM ''>", "<!ENTITY e ''>", "")},
      {"comments", declared.("<!---->")},
      {"CRs in a comment", within.("<!--", "\r", "-->")},
      {"instructions", declared.("<?a?>")},
      {"notations", declared.("<!NOTATION a SYSTEM ''>")},
      {"spaces", declared.(" ")},
      {"elements", declared.("<!ELEMENT a ANY>")}
    ]
  end

  defp repeated(unit, bytes), do: String.duplicate(unit, div(bytes, byte_size(unit)))

  @doc "Reads a document as its consumer would, and says what became of it."
  def read(stream) do
    Enum.reduce(stream, 0, fn _event, count -> count + 1 end)
    :ok
  rescue
    error in BoundedXml.ParseError ->
      case error.kind do
        :limit -> {:limit, error.limit}
        kind -> kind
      end
  end

  # `unit` repeated to `bytes` bytes: a part that holds one block of it.
  defp rep(unit, bytes) do
    block = String.duplicate(unit, div(@chunk, byte_size(unit)))
    bytes = bytes - rem(bytes, byte_size(unit))
    rest = binary_part(block, 0, rem(bytes, byte_size(block)))
    {:repeat, block, div(bytes, byte_size(block)), rest}
  end

  defp numbered(count, fun), do: {:numbered, count, fun}

  # Parts as a stream of binaries of about a chunk each.
  defp chunks(parts), do: parts |> List.flatten() |> merge([]) |> Stream.flat_map(&part/1)

  # What stands as it is goes together.
  defp merge([part | parts], small) when is_binary(part), do: merge(parts, [small, part])

  defp merge([{:repeat, _block, 0, rest} | parts], small), do: merge(parts, [small, rest])

  defp merge([part | parts], small),
    do: [IO.iodata_to_binary(small), part | merge(parts, [])]

  defp merge([], small), do: [IO.iodata_to_binary(small)]

  defp part(""), do: []
  defp part(binary) when is_binary(binary), do: [binary]

  defp part({:repeat, block, times, rest}),
    do: Stream.concat(Stream.take(Stream.repeatedly(fn -> block end), times), part(rest))

  defp part({:numbered, count, fun}) do
    0
    |> Stream.iterate(&(&1 + 1))
    |> Stream.take(count)
    |> Stream.chunk_every(4_096)
    |> Stream.map(&IO.iodata_to_binary(Enum.map(&1, fun)))
  end

  defp deep_declarations(depth),
    do: ["<a", for(n <- 0..249, do: ~s( xmlns:p#{depth}_#{n}="u")), ">"]

  defp small_tag, do: "<e" <> Enum.map_join(1..17, &" a#{&1}=''") <> "/>"

  defp long_name(n), do: String.duplicate("n", 1_000) <> Integer.to_string(n)

  defp long_uri(n), do: String.duplicate("u", 1_000) <> Integer.to_string(1_000 + n)

  defp utf16(text), do: :unicode.characters_to_binary(text, :utf8, {:utf16, :little})
end
