defmodule BoundedXml do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Streaming XML whose memory does not grow with the document.

    * `stream/2`: a lazy stream of events
    * `select/3`: a lazy stream of the elements at a path, each as a tree
    * `reduce/4`: a function called for each event, which may end the document early
    * `parse/2`: a whole small document as one tree
    * `BoundedXml.Parser`: the same parser, fed piece by piece
    * `encode/2`, `encode_stream/2`: the other way, from trees and events to XML
    * `escape/1`, `unescape/2`: text by itself

  ```
  {:file, "feed.xml"}
  |> BoundedXml.select("rss/channel/item")
  |> Stream.map(&to_item/1)
  |> Enum.each(&store/1)
  ```

  The parser checks that the document is well-formed, as XML 1.0 (fifth edition) and Namespaces in XML 1.0 require.
  Malformed XML and exceeded limits raise `BoundedXml.ParseError` with the position, after all events before that
  position were delivered. The events and the error do not depend on how the document is cut into chunks.

  The parser never opens anything outside the document: no external entity, no external subset. It creates no atoms.
  Its native memory is charged to the quota of the process that enumerates the stream, see `Quota.run/3`.

  ## Sources

    * a binary: the document
    * `{:file, path}`: read in chunks, in the process that enumerates. A device, a pipe or a socket raises `File.Error`
      (`:enotsup`), because opening one may block for ever
    * `{:file, path, [:compressed]}`: the same, decompressed as it is read if it is gzip. `:max_bytes` limits the
      decompressed size, and `:max_ratio` its ratio to the bytes read. A file that exceeds the ratio, is damaged or
      is truncated raises `BoundedBinary.DecodeError`
    * any enumerable of iodata: `File.stream!/3`, a list of chunks, a request body. Chunks may begin and end anywhere
      and have any size

  Every enumeration opens the source again. A raw file or a `:zlib` handle that another process opened cannot be read
  inside `Quota.run/3`, which runs `fun` in a process of its own. Pass `{:file, path}`, which is opened there.

  While it enumerates more than a few batches of events (each is what one call of the parser returns), the process has a heap of at
  least about 230 KB, and garbage of consumed events is collected between batches. This saves a fifth of the time on dense documents.
  The process has its own `min_heap_size` again whenever control returns to it. A process whose `max_heap_size` is below
  1.5 MiB is not changed.

  ## Events

  | event | meaning |
  | --- | --- |
  | `{:start_document, prolog}` | the first event; `prolog` has `:version`, `:encoding` and `:standalone` as declared |
  | `{:start_element, {name, [{name, value}]}}` | attributes in document order, defaulted ones last |
  | `{:characters, text}` | in pieces of at most 65,536 bytes, see `:text` |
  | `{:end_element, name}` | |
  | `{:end_document, {}}` | the last event |
  | `{:skipped_entity, name}` | a reference to an entity that is declared outside the document, or with `recover: [:entities]` not declared |
  | `{:cdata, text}` | a CDATA section with `emit: [:cdata]`, in pieces like `:characters`, unless joined. Without it, sections are `:characters` |
  | `{:comment, text}` | with `emit: [:comments]` |
  | `{:processing_instruction, {target, data}}` | with `emit: [:processing_instructions]` |
  | `{:doctype, properties}` | with `emit: [:doctype]`; `:name`, `:public_id`, `:system_id`, `:internal_subset` as written |

  External subsets are never read. If a document names one, a reference to an entity that only the subset could
  declare is `{:skipped_entity, name}` in content, and is removed from the value of an attribute, as expat does. With
  `recover: [:entities]` the value keeps the reference.

  All text is UTF-8, whatever the document's encoding. A name is a binary, or `{uri | nil, local}` with
  `namespaces: true`.

  ## Options

    * `:namespaces` (`false`): resolve prefixes. An undeclared prefix is an error; declarations are
      attributes in the namespace `http://www.w3.org/2000/xmlns/`
    * `:encoding` (`nil`): the name of the encoding, from an HTTP header for example. It takes precedence over the XML
      declaration; a byte order mark takes precedence over both (RFC 7303). `encodings/0` lists the names
    * `:doctype` (`:internal`): `:internal` reads the entities and defaults that the document declares
      itself, `:reject` makes any document type declaration an error
    * `:skip_whitespace` (`false`): emits no `:characters` event for text between two tags that is only white space.
      `xml:space="preserve"` keeps such text, on the element, on one around it, or as a default of the document type.
      White space is buffered until other text or a tag follows, up to the larger of `:max_text_bytes` and
      65,536 bytes
    * `:roots` (`:one`): `:many` for a source of elements that follow each other without a root around them. Each is
      the root of a document of its own: an XML declaration and a document type may precede it, its entities and limits
      start afresh (except `:max_bytes`, which counts the whole source), and it has its own `:start_document` and
      `:end_document`. The `:end_document` comes when the next document begins.
      A byte order mark may begin each. All are in one encoding
    * `:recover` (`[]`) and `:on_recover` (`nil`): accept some errors of real documents, see `BoundedXml.Recovery`

  Options of `stream/2`, `select/3`, `reduce/4` and `parse/2` only, not of `BoundedXml.Parser.new/1`:

    * `:chunk_bytes` (65,536): bytes read at once from a file, or parsed at once; from 1 to 65,536
    * `:max_ratio` (1,000): maximum ratio of the decompressed bytes to the bytes read of a compressed file, or `:infinity`.
      gzip reaches at most 1,032

  Options of `stream/2`, `reduce/4` and `BoundedXml.Parser.new/1` only:

    * `:emit` (`[]`): further events: a list of `:cdata`, `:comments`, `:processing_instructions`, `:doctype`
    * `:text` (`:pieces`): `:joined` emits one `:characters` event for each run of text, and one `:cdata` event
      for each section that is emitted, of at most `:max_text_bytes` (4 MiB) bytes
    * `:positions` (`false`): emits `{event, {line, column}}`, the position where the event begins. Lines and columns
      count from 1, columns in characters. `select/3` has an option of this name for records

  ## Limits

  Each limit is an option, such as `:max_depth` and `:max_attribute_bytes`. Exceeding it raises a `BoundedXml.ParseError` of
  kind `:limit`. `limits: :strict` is for smaller documents, `limits: :trusted` raises all limits. `BoundedXml.Limits` lists them
  with their defaults.
  """

  alias BoundedXml.{Encode, Options, Reader, Selection, Source}

  @typedoc "What is parsed: a document in memory, a file, or an enumerable of iodata."
  @type source :: binary | {:file, Path.t()} | {:file, Path.t(), [:compressed]} | Enumerable.t()

  @typedoc "A name as it is written, or with its namespace: `namespaces: true`."
  @type name :: String.t() | {uri :: String.t() | nil, local :: String.t()}

  @typedoc "An event. The last form is that of `positions: true`."
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

  @typedoc "An element with its attributes and its children."
  @type tree :: {name, [{name, String.t()}], [tree | String.t() | {:skipped_entity, String.t()}]}

  @doc """
  Returns a lazy stream of the events of `source`.

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

  Raises `ArgumentError` at once for an invalid source or option. The enumeration raises `BoundedXml.ParseError`,
  `Quota.ExceededError` when the quota has no room for the parser, `File.Error` when the file cannot be read,
  `BoundedBinary.DecodeError` for a compressed one, and the exceptions of the source itself and of `:on_recover`. The
  file, the parser and the enumeration of the source are closed when it ends, also when it raises or is halted.
  """
  @spec stream(source, keyword) :: Enumerable.t()
  def stream(source, opts \\ []) do
    %BoundedXml.Stream{
      source: Source.validate!(source),
      options: Options.validate!(opts, :stream)
    }
  end

  @doc """
  Returns a lazy stream of the elements at `path`, each as a tree `{name, attributes, children}`.

  The elements are found and built in native code. Elements that are not selected never become terms.

      iex> "<rss><item id='1'>one</item><other/><item id='2'><b>two</b></item></rss>"
      ...> |> BoundedXml.select("rss/item")
      ...> |> Enum.to_list()
      [
        {"item", [{"id", "1"}], ["one"]},
        {"item", [{"id", "2"}], [{"b", [], ["two"]}]}
      ]

  With `:fields` they are maps of what is asked for of each:

      iex> "<rss><item id='1'><title>one</title><text>...</text></item><item id='2'/></rss>"
      ...> |> BoundedXml.select("rss/item", fields: [id: "@id", title: "title"])
      ...> |> Enum.to_list()
      [%{id: "1", title: "one"}, %{id: "2", title: nil}]

  `BoundedXml.Selection` describes paths, with conditions on attributes and namespaces, several paths in one pass, and fields.

  Text on both sides of a comment or CDATA section is one child. A reference that cannot be expanded is the child
  `{:skipped_entity, name}`.

  Takes the options of the module except `:emit` and `:text`, and:

    * `:prefixes` (`%{}`): a map from the prefixes of a string path to their URIs; implies `namespaces: true`
    * `:fields`, `:required`, `:as` (`:tree`, or `:raw` for the element's own text): see `BoundedXml.Selection`
    * `:positions` (`false`): returns `{record, {line, column}}`, the position where the element begins
    * `:byte_offsets` (`false`): returns `{record, first..last//1}`, or `{record, {line, column}, first..last//1}` with positions
    * `:scope` (`false`): adds the namespace declarations in scope to a tree's own attributes; implies `namespaces: true`
    * `:max_record_bytes` (16 MiB): maximum size of one tree: the bytes of its names, values and texts, plus 16 bytes
      for each of them
    * `:max_record_elements` and `:max_record_depth` (`:infinity`): maximum elements of one tree, and elements open at once in it,
      itself included in both

  Raises the errors of `stream/2`, `BoundedXml.FieldError` when the function of a field raises, and `ArgumentError` for a path
  or field that is malformed or cannot match any element.
  """
  @spec select(
          source,
          Selection.path() | [{atom, Selection.path() | {Selection.path(), keyword}}],
          keyword
        ) :: Enumerable.t()
  def select(source, path, opts \\ []) do
    options = Options.validate!(opts, :select)

    %BoundedXml.Stream{
      source: Source.validate!(source),
      options: options,
      selection: Selection.parse!(path, options)
    }
  end

  @doc """
  Calls `fun.(event, acc)` for each event of `source`, starting with `acc`, and returns the last accumulator.

  `fun` returns `{:cont, acc}` to continue, or `{:halt, acc}` to stop. After `:halt` the rest of the document is neither
  read nor checked.

      iex> "<a><b/><c/><b/></a>"
      ...> |> BoundedXml.reduce(0, fn
      ...>   {:start_element, {"b", _attributes}}, count -> {:cont, count + 1}
      ...>   {:start_element, {"c", _attributes}}, count -> {:halt, count}
      ...>   _event, count -> {:cont, count}
      ...> end)
      1

  Takes the options of `stream/2`. Raises what enumerating a `stream/2` raises, what `fun` raises, and `ArgumentError`
  when `fun` returns anything else. In each case the file, the parser and the source's enumeration are closed.
  """
  @spec reduce(source, acc, (event, acc -> {:cont, acc} | {:halt, acc}), keyword) :: acc
        when acc: term
  def reduce(source, acc, fun, opts \\ []) when is_function(fun, 2) do
    source = Source.validate!(source)
    options = Options.validate!(opts, :stream)
    source |> Reader.open(options, nil) |> Reader.handle(acc, fun)
  end

  @doc """
  Reads a whole document, such as a SOAP message, as one tree `{name, attributes, children}`.

      iex> BoundedXml.parse("<a x='1'>one<b/></a>")
      {:ok, {"a", [{"x", "1"}], ["one", {"b", [], []}]}}
      iex> {:error, error} = BoundedXml.parse("<a>")
      iex> error.kind
      :truncated

  The tree has the shape of those of `select/3`, and `:max_record_bytes` (16 MiB) and its siblings limit its size in the same way. Takes
  the options of the module except `:emit`, `:text`, `:positions` and `:roots`.

  Returns `{:error, error}` with a `BoundedXml.ParseError` for a malformed document or an exceeded limit, and with a
  `BoundedBinary.DecodeError` for compressed data that cannot be decompressed. Raises `ArgumentError` for a wrong source
  or option, and `Quota.ExceededError`, `File.Error` and a source's own exceptions as `stream/2` does.
  """
  @spec parse(source, keyword) :: {:ok, tree} | {:error, Exception.t()}
  def parse(source, opts \\ []) do
    {:ok, parse!(source, opts)}
  rescue
    error in [BoundedXml.ParseError, BoundedBinary.DecodeError] -> {:error, error}
  end

  @doc """
  Like `parse/2`, but returns the tree itself and raises the error.

      iex> BoundedXml.parse!("<a>one</a>")
      {"a", [], ["one"]}
  """
  @spec parse!(source, keyword) :: tree
  def parse!(source, opts \\ []) do
    source = Source.validate!(source)
    options = Options.validate!(opts, :parse)
    reader = Reader.open(source, options, Selection.parse!("*", options))

    # The tree is complete before the document is: reading on checks what follows the root element.
    Reader.handle(reader, nil, fn tree, nil -> {:cont, tree} end)
  end

  @doc """
  Returns the document that is made of `content`: a tree, or a list of trees, events and strings.

      iex> BoundedXml.encode({"rss", [{"version", "2.0"}], [{"title", [], ["Fish & chips"]}, {"item", [], []}]})
      ~s(<rss version="2.0"><title>Fish &amp; chips</title><item/></rss>)

  `BoundedXml.Encode` describes what can be written, and the options. A document of more than 512 KiB is charged to the
  quota of the calling process before it is allocated. Raises `BoundedXml.EncodeError` with the path to what cannot be
  written, `Quota.ExceededError` when the quota has no room.
  """
  @spec encode(Encode.encodable() | [Encode.encodable()], keyword) :: binary
  def encode(content, opts \\ []), do: content |> encode_to_iodata(opts) |> Encode.binary()

  @doc """
  Like `encode/2`, but returns the document as a list of binaries of at most 64 KiB. Raises the same errors.

      iex> BoundedXml.encode_to_iodata({"a", [], ["x"]})
      ["<a>x</a>"]
  """
  @spec encode_to_iodata(Encode.encodable() | [Encode.encodable()], keyword) :: [binary]
  def encode_to_iodata(content, opts \\ []),
    do: Encode.pieces(content, Encode.Options.setup!(opts))

  @doc """
  Returns a lazy stream of the document that is made of the items of `enumerable`, in binaries of at most 64 KiB.

  The items are events, trees and strings. No more than a batch of them and one binary are held at a time:

      iex> "<a><b>1</b><c/></a>"
      ...> |> BoundedXml.stream()
      ...> |> Stream.map(fn {:characters, text} -> {:characters, text <> "%"}; event -> event end)
      ...> |> BoundedXml.encode_stream()
      ...> |> Enum.join()
      "<a><b>1%</b><c/></a>"

  `BoundedXml.Encode` describes the items and the options. Enumerating raises `BoundedXml.EncodeError` after the pieces
  before the error, `Quota.ExceededError` when the quota has no room, and the source's own exceptions. The source is
  closed when enumerating ends, in whichever way.
  """
  @spec encode_stream(Enumerable.t(), keyword) :: Enumerable.t()
  def encode_stream(enumerable, opts \\ []), do: Encode.Stream.new(enumerable, opts)

  @doc """
  Escapes `text` for any place in a document: in content and in attributes, within either kind of quotes.

  `<`, `>`, `&`, `"`, `'` become references, and so do CR, LF and TAB, which are read differently in an attribute. Only
  a document that is put together by hand needs this: `encode/2` escapes what it writes.

      iex> BoundedXml.escape(~s(Fish & "chips"))
      "Fish &amp; &quot;chips&quot;"

  Raises `BoundedXml.EncodeError` for text that is not UTF-8 and for characters that no XML document may contain, and
  `Quota.ExceededError` when the quota has no room for the result.
  """
  @spec escape(String.t()) :: String.t()
  def escape(text) when is_binary(text), do: Encode.Text.escape(text)

  @doc """
  Replaces the references in `text` by what they refer to, which undoes `escape/1`.

      iex> BoundedXml.unescape("Fish &amp; chips&#x21;")
      "Fish & chips!"

  Known are references to characters and the five entities that need no declaration: `lt`, `gt`, `amp`, `apos`, `quot`. The
  option `:entities` gives others:

    * a map from names to texts: `%{"copy" => "©"}`
    * a function that is called with the name and returns a text, or `nil` if it knows none
    * `:html`: the 2,125 names of HTML

  References in the text of an entity are not replaced again.

      iex> BoundedXml.unescape("&copy;&nbsp;1999 &me;", entities: :html)
      ** (BoundedXml.ParseError) malformed XML at line 1, column 18 (byte 17): the entity "me" is not known
      iex> BoundedXml.unescape("&copy; 1999 &me;", entities: %{"copy" => "©", "me" => "M. & E."})
      "© 1999 M. & E."
      iex> BoundedXml.unescape("&copy; &amp; &me;", entities: &("&" <> &1 <> ";"))
      "&copy; & &me;"

  Raises `BoundedXml.ParseError` for an `&` that begins no reference, for a name that is not known, for a reference to a
  character that XML does not allow, and for text that has such a character or is not UTF-8. Raises `Quota.ExceededError` when the quota has no
  room for the result, and `ArgumentError` for an invalid option.
  """
  @spec unescape(String.t(), keyword) :: String.t()
  def unescape(text, opts \\ []) when is_binary(text), do: Encode.Text.unescape(text, opts)

  @doc """
  Returns the names of the supported encodings, one name for each, sorted.

  Documents and `encoding:` may use any name of an encoding in the WHATWG Encoding Standard, the IANA registry of
  character sets or Python, in upper or lower case and with or without `-`, `_` and `.`:
  `windows_1252`, `utf16`, `csIBM865`, `cp936`. UTF-16 needs neither a byte order mark nor a declaration.
  EBCDIC and UTF-32 are not supported.

      iex> "IBM850" in BoundedXml.encodings() and "GBK" in BoundedXml.encodings()
      true
      iex> [<<"<r>", 0x81, "</r>">>] |> BoundedXml.stream(encoding: "cp850") |> Enum.at(2)
      {:characters, "ü"}
  """
  @spec encodings() :: [String.t()]
  def encodings, do: Bounded.Native.xml_encodings()
end
