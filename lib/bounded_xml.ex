defmodule BoundedXml do
  @moduledoc """
  Streaming XML whose memory does not grow with the document.

    * `stream/2`: a lazy stream of events
    * `select/3`: a lazy stream of the elements at a path, each as a tree
    * `BoundedXml.Parser`: the same parser, fed piece by piece

  ```
  {:file, "feed.xml"}
  |> BoundedXml.select("rss/channel/item")
  |> Stream.map(&to_item/1)
  |> Enum.each(&import/1)
  ```

  The document is checked completely, as XML 1.0 (fifth edition) and Namespaces in XML 1.0 require. Malformed XML
  or a limit exceeded raises `BoundedXml.ParseError` with the position, after all events before that
  position were delivered. The same document gives the same events and the same error, however it is
  cut into chunks.

  Nothing outside the document is ever opened: no external entity, no external subset. Names never
  become atoms. What the parser holds natively is charged to the quota of the process that enumerates,
  see `Quota.run/3`.

  ## Sources

    * a binary: the document
    * `{:file, path}`: read in chunks, in the process that enumerates
    * `{:file, path, [:compressed]}`: the same, decompressed as it is read if it is gzip. `:max_ratio` limits how
      many times as large as the file it may become, `:max_bytes` how large; `BoundedBinary.DecodeError` says so
      where it is a bomb, damaged or cut short
    * any enumerable of iodata: `File.stream!/3`, a list of chunks, a request body. Where it is cut does
      not matter; one element may be of any size

  Every enumeration opens the source again. A raw file or a `:zlib` handle that another process opened
  cannot be read inside `Quota.run/3`, which runs in a process of its own: give `{:file, path}` instead,
  which opens it there.

  While a stream of more than a few batches of events is enumerated, the process that enumerates has a heap
  of about 230 KB at least, and collects what it has consumed, batch by batch: a fifth less time on dense documents.
  Its own `min_heap_size` is back whenever control returns to it, and a process whose `max_heap_size` is below
  1.5 MiB is left as it is.

  ## Events

  | event | when |
  | --- | --- |
  | `{:start_document, prolog}` | first; `prolog` has `:version`, `:encoding` and `:standalone` as declared |
  | `{:start_element, {name, [{name, value}]}}` | attributes in document order, defaulted ones last |
  | `{:characters, text}` | in pieces of at most 65,536 bytes, see `:text` |
  | `{:end_element, name}` | |
  | `{:end_document, {}}` | last |
  | `{:skipped_entity, name}` | a reference whose replacement is outside the document, or with `recover: [:entities]` nowhere |
  | `{:cdata, text}` | with `emit: [:cdata]`, in pieces as `:characters` are, unless joined; otherwise it is `:characters` |
  | `{:comment, text}` | with `emit: [:comments]` |
  | `{:processing_instruction, {target, data}}` | with `emit: [:processing_instructions]` |
  | `{:doctype, properties}` | with `emit: [:doctype]`; `:name`, `:public_id`, `:system_id`, `:internal_subset` as written |

  Where a document names an external subset, which is never read, a reference to an entity that only the subset
  could declare is `{:skipped_entity, name}` in content, and leaves no trace in the value of an attribute, as with
  expat. With `recover: [:entities]` it is kept there.

  All text is UTF-8, whatever the document's encoding. A name is a binary, or `{uri | nil, local}` with
  `namespaces: true`.

  ## Options

    * `:namespaces` (`false`): resolve prefixes. An undeclared prefix is an error; declarations are
      attributes in the namespace `http://www.w3.org/2000/xmlns/`
    * `:encoding` (`nil`): the name of the encoding, from an HTTP header for example. It stands above the XML
      declaration; a byte order mark stands above both (RFC 7303). `encodings/0` lists what is read
    * `:doctype` (`:internal`): `:internal` reads entities and defaults that the document declares
      itself, `:reject` makes any document type declaration an error
    * `:skip_whitespace` (`false`): no `:characters` event for text that is only white space, from one tag to the
      next. `xml:space="preserve"` keeps it, in the element's own tag, in one around it, or as a default of the
      document type. White space is held until something else or a tag follows, up to `:max_text_bytes`,
      65,536 bytes in any case
    * `:roots` (`:one`): `:many` for a source of elements one after the other, none around them. Each is the root
      of a document of its own: an XML declaration and a document type may come before it, entities and limits
      (but `:max_bytes`, which counts the source) start afresh, `:start_document` and `:end_document` stand around
      it. `:end_document` comes when the next document begins. All are in one encoding
    * `:recover` (`[]`) and `:on_recover` (`nil`): see "Documents that break rules"
    * `:chunk_bytes` (65,536): bytes read at once from a file, or fed at once; from 1 to 65,536

  Of `stream/2` and `select/3`:

    * `:max_ratio` (1,000): how many times as large as a compressed file its contents may be, or `:infinity`.
      gzip can do no better than 1,032

  Of `stream/2` and `BoundedXml.Parser.new/1`:

    * `:emit` (`[]`): further events, of `:cdata`, `:comments`, `:processing_instructions`, `:doctype`
    * `:text` (`:pieces`): `:joined` gives one `:characters` event for each run of text, and one `:cdata` event
      for each section that is emitted, of at most `:max_text_bytes` (4 MiB) bytes
    * `:positions` (`false`): events come as `{event, {line, column}}`, the place where the event begins,
      both from 1, columns in characters

  ## Documents that break rules

  Real feeds and exports contain what XML does not allow. `:recover` lets it through: `:all`, or a list of

    * `:entities`: references to entities that are not declared. The 2,125 names that HTML knows (`&nbsp;`,
      `&eacute;`) are replaced by their characters. Any other is the event `{:skipped_entity, name}`, and stays
      as it is written in the value of an attribute
    * `:characters`: references to characters that XML does not allow (`&#x1A;`, `&#8;`) and raw control
      characters become U+FFFD. The two surrogates of a pair, written as two references, become their character
    * `:ampersands`: an `&` that begins no reference is the character `&`
    * `:leading_whitespace`: white space and byte order marks before the XML declaration, of at most 4,096
      characters, are skipped

  `:on_recover` is called with `{kind, text, {line, column}}` each time, in the process that parses and before
  it gets the events of that part of the document: `kind` is one of the four, `text` is what was written.

      iex> report = &send(self(), &1)
      iex> "<p>Fish & chips&nbsp;&#x1A;</p>"
      ...> |> BoundedXml.stream(recover: :all, on_recover: report)
      ...> |> Enum.at(2)
      {:characters, "Fish & chips\u00A0\uFFFD"}
      iex> receive do recovered -> recovered end
      {:ampersands, "&", {1, 9}}

  Never recover a document whose signature is checked, or that decides about access: another parser reads it
  differently, or not at all. The declarations of a document type are not recovered, except raw characters in
  them.

  ## Limits

  Every one is an option. Going beyond is a `BoundedXml.ParseError` of kind `:limit`.

  | limit | default | of what |
  | --- | --- | --- |
  | `:max_depth` | 256 | elements open at once |
  | `:max_attributes` | 256 | attributes of one element, namespace declarations and defaults included |
  | `:max_name_bytes` | 1 KiB | bytes of one name |
  | `:max_attribute_bytes` | 4 MiB | bytes of one attribute's value |
  | `:max_token_bytes` | 8 MiB | bytes of one tag, comment, processing instruction or declaration |
  | `:max_namespaces` | 128 | namespace declarations in scope; also, times `:max_name_bytes`, the bytes of their prefixes and URIs |
  | `:max_dtd_bytes` | 64 KiB | bytes of the document type declaration |
  | `:max_entities` | 2,500 | entities declared |
  | `:max_entity_expansions` | 500,000 | references to declared entities, nested ones included |
  | `:max_entity_depth` | 20 | entities open within each other |
  | `:max_entity_bytes` | 1 MiB | bytes that entities and defaults may add to any document |
  | `:max_amplification` | 100 | how many times the input they may add beyond that |
  | `:max_recoveries` | 100,000 | times that `:recover` lets something pass; raw characters are counted apart |
  | `:max_bytes` | `:infinity` | bytes of the document |
  | `:max_elements` | `:infinity` | elements of the document |

  `limits: :strict` divides the limits in bytes by 8 and rejects document types; `limits: :trusted`
  multiplies every limit by 64. Single limits given along with it come first. A limit is at most 1 GiB,
  except the last two: nothing is unbounded natively. Some things are handled within one native call, which must
  be short, and are limited further: a name has at most 1 MiB (a larger `:max_name_bytes` counts as
  1,048,576), the XML declaration at most 256 KiB, the document type declaration at most 96 KiB (one of 2.7 MB took a call of
  8.8 ms), and at most 1,280 entities are open within each other. The name of an encoding ends within the first 4,096
  characters of the document, whatever the options.

  The defaults are above what 28,148 real documents need, and no higher than what libxml2, expat, the
  JDK, Woodstox and .NET allow.
  """

  alias BoundedXml.{Options, Source}

  @type source :: binary | {:file, Path.t()} | {:file, Path.t(), [:compressed]} | Enumerable.t()

  @type name :: String.t() | {uri :: String.t() | nil, local :: String.t()}

  @type event ::
          {:start_document, keyword}
          | {:start_element, {name, [{name, String.t()}]}}
          | {:characters, String.t()}
          | {:end_element, name}
          | {:end_document, {}}
          | {:skipped_entity, String.t()}
          | {:cdata, String.t()}
          | {:comment, String.t()}
          | {:processing_instruction, {target :: String.t(), data :: String.t()}}
          | {:doctype, keyword}
          | {event, {line :: pos_integer, column :: pos_integer}}

  @type tree :: {name, [{name, String.t()}], [tree | String.t() | {:skipped_entity, String.t()}]}

  @doc """
  A lazy stream of the events of `source`.

      iex> "<a x='1'>one<b/></a>" |> BoundedXml.stream() |> Enum.to_list()
      [
        {:start_document, []},
        {:start_element, {"a", [{"x", "1"}]}},
        {:characters, "one"},
        {:start_element, {"b", []}},
        {:end_element, "b"},
        {:end_element, "a"},
        {:end_document, {}}
      ]

      iex> ["<p:a xmlns:p='urn:x'", ">text</", "p:a>"]
      ...> |> BoundedXml.stream(namespaces: true)
      ...> |> Enum.find(&match?({:end_element, _}, &1))
      {:end_element, {"urn:x", "a"}}

  Raises `ArgumentError` at once for a wrong source or option. Enumerating raises
  `BoundedXml.ParseError`, `Quota.ExceededError` when the quota has no room for the parser, and
  `File.Error` when the file cannot be read; a source's own exceptions pass. The file, the parser and
  the source's enumeration are closed when enumerating ends, in whichever way.
  """
  @spec stream(source, keyword) :: Enumerable.t()
  def stream(source, opts \\ []) do
    %BoundedXml.Stream{
      source: Source.validate!(source),
      options: Options.validate!(opts, :stream)
    }
  end

  @doc """
  A lazy stream of the elements at `path`, each as a tree `{name, attributes, children}`.

  Found and built natively: what is not selected never becomes a term.

      iex> "<rss><item id='1'>one</item><other/><item id='2'><b>two</b></item></rss>"
      ...> |> BoundedXml.select("rss/item")
      ...> |> Enum.to_list()
      [
        {"item", [{"id", "1"}], ["one"]},
        {"item", [{"id", "2"}], [{"b", [], ["two"]}]}
      ]

  A path is the names of elements from the root on, with `*` for any one element and `//` for any number
  of elements between: `"rss/channel/item"`, `"//item"`, `"*/item"`. Of selected elements inside each
  other the outermost is given. With `namespaces: true` a name in a path stands for any namespace, and a
  path may be a list of steps instead, `{uri, local}` (`nil` for no namespace), names, `"*"` and `"//"`:

      iex> "<a xmlns='urn:x'><b>1</b><b xmlns=''>2</b></a>"
      ...> |> BoundedXml.select([{"urn:x", "a"}, {"urn:x", "b"}], namespaces: true)
      ...> |> Enum.to_list()
      [{{"urn:x", "b"}, [], ["1"]}]

  A string path takes prefixes when `:prefixes` says what they stand for, which turns namespaces on.
  `"dc:*"` is any element in the namespace:

      iex> "<r xmlns:d='urn:d'><d:title>1</d:title><title>2</title></r>"
      ...> |> BoundedXml.select("r/dc:title", prefixes: %{"dc" => "urn:d"})
      ...> |> Enum.to_list()
      [{{"urn:d", "title"}, [], ["1"]}]

  Text that comments or CDATA sections divide is one child. A reference that cannot be expanded is the
  child `{:skipped_entity, name}`.

  The options are those of the module that are not about events, and:

    * `:prefixes` (`%{}`): a map of the prefixes that a string path may use to the URIs they stand for;
      implies `namespaces: true`
    * `:max_record_bytes` (16 MiB): bytes of the names, values and texts of one tree, and 16 for each of
      them

  Raises as `stream/2` does, and `ArgumentError` for a path that cannot be read or cannot match any element.
  """
  @spec select(source, String.t() | [String.t() | {String.t() | nil, String.t()}], keyword) ::
          Enumerable.t()
  def select(source, path, opts \\ []) do
    options = Options.validate!(opts, :select)

    %BoundedXml.Stream{
      source: Source.validate!(source),
      options: options,
      path: BoundedXml.Path.parse!(path, options.namespaces, options.prefixes)
    }
  end

  @doc """
  The names of the encodings that are read, sorted: one for each.

  Documents and `encoding:` may call them by any of their names in the WHATWG Encoding Standard, in the IANA
  registry of character sets and in Python, in upper or lower case and with or without `-`, `_` and `.`:
  `windows_1252`, `utf16`, `csIBM865`, `cp936`. UTF-16 needs neither a byte order mark nor a declaration.
  EBCDIC and UTF-32 are not read.

      iex> "IBM850" in BoundedXml.encodings() and "GBK" in BoundedXml.encodings()
      true
      iex> [<<"<r>", 0x81, "</r>">>] |> BoundedXml.stream(encoding: "cp850") |> Enum.at(2)
      {:characters, "ü"}
  """
  @spec encodings() :: [String.t()]
  def encodings, do: Bounded.Native.xml_encodings()
end
