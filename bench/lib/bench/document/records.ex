defmodule Bench.Document.Records do
  @moduledoc false
  # The records of each kind of document. Record `i` depends on `i` alone.

  @words ~w(about after archive ballot bridge bounded canal capital carbon central climate coast council
            court daily debate delta economy editor energy engine export factory ferry festival fiscal
            forest garden harbour history island journal kernel ledger library market memory museum
            network novel orbit parser period planet policy quota railway record region river science
            season signal stream summit theatre transit valley village weather worker) ++
           ~w(Zürich señor naïve Łódź Αθήνα Москва 東京 북한산)
  @word_count length(@words)
  @word_tuple List.to_tuple(@words)

  # Sentences are made once: a document is put together faster than it is parsed.
  @sentences (for i <- 0..511 do
                for j <- 0..(11 + :erlang.phash2(i, 14)) do
                  word = elem(@word_tuple, :erlang.phash2({i, j}, @word_count))
                  if :erlang.phash2({i, j, :comma}, 12) == 0, do: word <> ",", else: word
                end
                |> Enum.join(" ")
              end)
             |> List.to_tuple()

  @doc "The bytes before and behind the records."
  def wrapping(:feed) do
    {~s(<?xml version="1.0" encoding="UTF-8"?>\n) <>
       ~s(<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" ) <>
       ~s(xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom">\n) <>
       ~s(<channel>\n<title>Daily ledger</title>\n<link>https://news.example</link>\n) <>
       ~s(<atom:link href="https://news.example/feed" rel="self" type="application/rss+xml"/>\n),
     "</channel>\n</rss>\n"}
  end

  def wrapping(:wikipedia) do
    {~s(<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en">\n) <>
       "  <siteinfo>\n    <sitename>Wikipedia</sitename>\n  </siteinfo>\n", "</mediawiki>\n"}
  end

  def wrapping(:iso20022) do
    {~s(<?xml version="1.0" encoding="UTF-8"?>\n) <>
       ~s(<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" ) <>
       ~s(xmlns:c="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">\n<env:Body>\n<c:Document>\n) <>
       " <c:BkToCstmrStmt>\n  <c:Stmt>\n",
     "  </c:Stmt>\n </c:BkToCstmrStmt>\n</c:Document>\n</env:Body>\n</env:Envelope>\n"}
  end

  def wrapping(:spreadsheet) do
    {~s(<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n) <>
       ~s(<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">) <>
       ~s(<dimension ref="A1:J1048576"/><sheetData>), "</sheetData></worksheet>"}
  end

  def wrapping(:osm) do
    {~s(<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="osmium/1.16.0">\n) <>
       ~s( <bounds minlat="47.0" minlon="8.0" maxlat="48.0" maxlon="9.0"/>\n), "</osm>\n"}
  end

  def wrapping(:text), do: {"<r><t>", "</t></r>"}
  def wrapping(:cdata), do: {"<r><t><![CDATA[", "]]></t></r>"}
  def wrapping(:attribute), do: {~s(<r><t a="), ~s("/></r>)}

  @doc "Record `i` as iodata."
  def record(:feed, i) do
    categories =
      for j <- 1..3, number(i, {:category, j}, 2) == 0 do
        ["    <category><![CDATA[", word(i, {:category, j}), "]]></category>\n"]
      end

    [
      "  <item>\n    <title>",
      [words(i, :title, 6), " &amp; ", words(i, :more, 2), "</title>\n    <link>"],
      ["https://news.example/20", digits(i, :year, 2), "/", hex(i, :slug)],
      "/?utm_source=rss&amp;utm_medium=feed</link>\n    <dc:creator><![CDATA[",
      [words(i, :creator, 2), "]]></dc:creator>\n    <pubDate>Mon, 1", digits(i, :day, 1)],
      [" Jan 2024 10:", digits(i, :minute, 2), ":00 +0000</pubDate>\n", categories],
      [~s(    <guid isPermaLink="false">https://news.example/?p=), Integer.to_string(i)],
      ["</guid>\n    <description><![CDATA[<p>", sentences(i, :summary, 3)],
      "</p>]]></description>\n    <content:encoded><![CDATA[",
      for j <- 0..(2 + number(i, :paragraphs, 5)) do
        ["<p>", sentences(i, {:paragraph, j}, 3), "</p>\n<img src=\"/i.jpg\" alt=\"\" />\n"]
      end,
      ~s(]]></content:encoded>\n    <slash:comments xmlns:slash="http://purl.org/rss/1.0/modules/slash/">),
      [digits(i, :comments, 1), "</slash:comments>\n  </item>\n"]
    ]
  end

  def record(:wikipedia, i) do
    [
      ["  <page>\n    <title>", words(i, :title, 2), "</title>\n    <ns>0</ns>\n    <id>"],
      [Integer.to_string(i), "</id>\n    <revision>\n      <id>", digits(i, :revision, 9)],
      [
        "</id>\n      <parentid>",
        digits(i, :parent, 9),
        "</parentid>\n      <timestamp>2024-01-1"
      ],
      [digits(i, :day, 1), "T10:00:00Z</timestamp>\n      <contributor>\n        <username>User"],
      [digits(i, :user, 5), "</username>\n        <id>", digits(i, :user, 7), "</id>\n"],
      ["      </contributor>\n      <comment>/* ", words(i, :comment, 5), " */</comment>\n"],
      "      <model>wikitext</model>\n      <format>text/x-wiki</format>\n      <text bytes=\"",
      [digits(i, :bytes, 4), ~s(" xml:space="preserve">)],
      for j <- 0..(7 + number(i, :paragraphs, 30)) do
        [
          ["'''", words(i, {:bold, j}, 3), "''' ", sentences(i, {:first, j}, 2), " [["],
          [words(i, {:link, j}, 2), "|", word(i, {:shown, j}), "]]. &lt;ref name=&quot;"],
          [
            word(i, {:ref, j}),
            "&quot;&gt;{{cite web|url=http://news.example/?a=1&amp;b=2|title="
          ],
          [words(i, {:cited, j}, 6), "}}&lt;/ref&gt;\n"]
        ]
      end,
      [
        "</text>\n      <sha1>",
        hex(i, :sha),
        hex(i, :sum),
        "</sha1>\n    </revision>\n  </page>\n"
      ]
    ]
  end

  def record(:iso20022, i) do
    [
      [
        "   <c:Ntry>\n    <c:NtryRef>",
        Integer.to_string(i),
        "</c:NtryRef>\n    <c:Amt Ccy=\"EUR\">"
      ],
      [
        amount(i, :amount),
        "</c:Amt>\n    <c:CdtDbtInd>",
        side(i),
        "</c:CdtDbtInd>\n    <c:Sts>\n"
      ],
      "     <c:Cd>BOOK</c:Cd>\n    </c:Sts>\n    <c:BookgDt>\n     <c:Dt>2024-01-1",
      [digits(i, :booked, 1), "</c:Dt>\n    </c:BookgDt>\n    <c:ValDt>\n     <c:Dt>2024-01-1"],
      [digits(i, :value, 1), "</c:Dt>\n    </c:ValDt>\n    <c:BkTxCd>\n     <c:Domn>\n"],
      "      <c:Cd>PMNT</c:Cd>\n      <c:Fmly>\n       <c:Cd>RCDT</c:Cd>\n",
      "       <c:SubFmlyCd>ESCT</c:SubFmlyCd>\n      </c:Fmly>\n     </c:Domn>\n    </c:BkTxCd>\n",
      "    <c:NtryDtls>\n     <c:TxDtls>\n      <c:Refs>\n       <c:EndToEndId>E2E-",
      [hex(i, :end_to_end), "</c:EndToEndId>\n       <c:TxId>", digits(i, :transaction, 9)],
      "</c:TxId>\n      </c:Refs>\n      <c:AmtDtls>\n       <c:TxAmt>\n        <c:Amt Ccy=\"EUR\">",
      [
        amount(i, :amount),
        "</c:Amt>\n       </c:TxAmt>\n      </c:AmtDtls>\n      <c:RltdPties>\n"
      ],
      [
        "       <c:Dbtr>\n        <c:Pty>\n         <c:Nm>",
        words(i, :name, 2),
        " &amp; Co</c:Nm>\n"
      ],
      "         <c:PstlAdr>\n          <c:Ctry>DE</c:Ctry>\n          <c:AdrLine>",
      [word(i, :street), " ", digits(i, :house, 2), "</c:AdrLine>\n         </c:PstlAdr>\n"],
      "        </c:Pty>\n       </c:Dbtr>\n       <c:DbtrAcct>\n        <c:Id>\n         <c:IBAN>DE",
      [digits(i, :check, 2), digits(i, :bank, 9), digits(i, :account, 9), "</c:IBAN>\n"],
      "        </c:Id>\n       </c:DbtrAcct>\n      </c:RltdPties>\n      <c:RmtInf>\n",
      ["       <c:Ustrd>", words(i, :purpose, 3), "</c:Ustrd>\n      </c:RmtInf>\n"],
      "     </c:TxDtls>\n    </c:NtryDtls>\n   </c:Ntry>\n"
    ]
  end

  def record(:spreadsheet, i) do
    row = Integer.to_string(i + 1)

    [
      [~s(<row r="), row, ~s(" spans="1:10">)],
      for column <- ?A..?J do
        case column do
          ?D ->
            [~s(<c r="), column, row, ~s(" s="3"/>)]

          text when text in [?A, ?C] ->
            shared = digits(i, column, 5)
            [~s(<c r="), text, row, ~s(" s="1" t="s"><v>), shared, "</v></c>"]

          number ->
            [~s(<c r="), number, row, ~s("><v>), digits(i, number, 5), ".", digits(i, row, 4)]
            |> then(&[&1, "</v></c>"])
        end
      end,
      "</row>"
    ]
  end

  def record(:osm, i) do
    id = Integer.to_string(268_435_456 + 7 * i)

    case number(i, :type, 5) do
      0 ->
        [
          [~s( <way id="), id, ~s(" version="), digits(i, :version, 1)],
          [~s(" timestamp="2020-01-01T12:00:21Z" changeset="), digits(i, :changeset, 8)],
          [~s(" uid="), digits(i, :uid, 6), ~s(" user="), word(i, :user), ~s(">\n)],
          for(j <- 0..(2 + number(i, :nodes, 10)), do: nd(i, j)),
          [~s(  <tag k="building" v="yes"/>\n  <tag k="addr:street" v="), words(i, :street, 2)],
          ~s("/>\n </way>\n)
        ]

      _node ->
        tagged = number(i, :tagged, 5) == 0

        [
          [~s( <node id="), id, ~s(" version="), digits(i, :version, 1), ~s(" timestamp="20)],
          [digits(i, :year, 2), "-01-1", digits(i, :day, 1), "T12:", digits(i, :minute, 2)],
          [~s(:21Z" changeset="), digits(i, :changeset, 8), ~s(" uid="), digits(i, :uid, 6)],
          [~s(" user="), word(i, :user), digits(i, :user, 3), ~s(" lat="47.)],
          [digits(i, :lat, 7), ~s(" lon="8.), digits(i, :lon, 7)],
          if(tagged, do: tags(i), else: ~s("/>\n))
        ]
    end
  end

  def record(giant, i) when giant in [:text, :cdata, :attribute],
    do: [sentences(i, :giant, 3), " "]

  defp nd(i, j), do: [~s(  <nd ref="), digits(i, {:nd, j}, 9), ~s("/>\n)]

  defp tags(i) do
    [
      [~s(">\n  <tag k="name" v="), words(i, :name, 2), ~s("/>\n)],
      ~s(  <tag k="highway" v="bus_stop"/>\n  <tag k="note" v="A &amp; B"/>\n </node>\n)
    ]
  end

  defp side(i), do: if(number(i, :side, 2) == 0, do: "CRDT", else: "DBIT")

  defp amount(i, salt), do: [digits(i, salt, 5), ".", digits(i, salt, 2)]

  defp sentences(i, salt, count) do
    first = number(i, salt, 512)
    for j <- 1..count, do: [elem(@sentences, rem(first + 37 * j, 512)), ". "]
  end

  defp words(i, salt, count) do
    first = number(i, salt, @word_count)
    Enum.map_intersperse(1..count, " ", &elem(@word_tuple, rem(first + 11 * &1, @word_count)))
  end

  defp word(i, salt), do: elem(@word_tuple, number(i, salt, @word_count))

  defp digits(i, salt, count) do
    i
    |> number(salt, Integer.pow(10, count))
    |> Integer.to_string()
    |> String.pad_leading(count, "0")
  end

  defp hex(i, salt) do
    i |> number(salt, 4_294_967_296) |> Integer.to_string(16) |> String.pad_leading(8, "0")
  end

  # Deterministic, and the same on every release of OTP.
  defp number(i, salt, below), do: :erlang.phash2({i, salt}, below)
end
