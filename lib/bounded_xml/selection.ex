defmodule BoundedXml.Selection do
  @moduledoc since: "0.1.0"
  @moduledoc """
  What `BoundedXml.select/3` selects.

  ## Paths

  A path lists the names of elements from the root on, with `*` for any one element and `//` for any number of elements in
  between: `"rss/channel/item"`, `"//item"`, `"*/item"`. If a selected element is inside another one, only the outer one is
  returned.

  Conditions on the attributes of an element may follow each name or `*`. All of them must hold:

  | condition | holds if the element |
  | --- | --- |
  | `[@a]` | has the attribute `a` |
  | `[@a='x']` | has the attribute `a` with the value `x` |
  | `[@a!='x']` | has the attribute `a` with another value than `x` |

  The value is in single or double quotes. It is compared with the attribute's value after its references are expanded:

      iex> "<r><item lang='de'>eins</item><item lang='en'>one</item><item>1</item></r>"
      ...> |> BoundedXml.select("r/item[@lang!='en']")
      ...> |> Enum.to_list()
      [{"item", [{"lang", "de"}], ["eins"]}]

  A path may end with an attribute: `"r/summary/@total"` gives the value of each, as a string. It does not hide what is in the
  element.

  ## Fields

  With `:fields`, each element is returned as a map of what is asked for of it. Nothing else becomes a term:

      iex> xml = ~s(<rss version="2.0"><item><title>one</title><tag>a</tag><tag>b</tag><price>7</price></item><item/></rss>)
      iex> xml
      ...> |> BoundedXml.select("rss/item",
      ...>   fields: [title: "title", tags: {:all, "tag"}, price: {:map, "price", &String.to_integer/1}, feed: "/rss/@version"]
      ...> )
      ...> |> Enum.to_list()
      [
        %{title: "one", tags: ["a", "b"], price: 7, feed: "2.0"},
        %{title: nil, tags: [], price: nil, feed: "2.0"}
      ]

  The fields are a keyword list. A field is

    * a path from the record on, such as `"a/b"`, `"//b"` or `"."` for the record itself: the text of the first such element, in
      document order, with the text of its descendants. `nil` if there is none, `""` if it has no text
    * a path that ends with an attribute, such as `"a/@b"` or `"@b"`: the first such attribute, or `nil`
    * `"/rss/@version"`: an attribute of an element that is open around the record, or of the record itself; of several
      such elements, the innermost that has it
    * `{:all, path}`: all texts or attributes at the path, in document order, as a list
    * `{:map, path, fun}`: `fun.(string)`. `fun` is not called for `nil`. If it raises, `BoundedXml.FieldError` names the field,
      the string and the place. It runs in the process that enumerates, when it reaches the record
    * `{:records, path, fields}`: a list of maps, one for each element at the path, with fields of their own. Of such an element in
      another one, only the outer one is listed

  `required: [:title]` raises a `BoundedXml.ParseError` of kind `:missing` with the place of a record that has no such field, or an
  empty list:

      iex> "<r><item><title>one</title></item><item/></r>"
      ...> |> BoundedXml.select("r/item", fields: [title: "title"], required: [:title])
      ...> |> Enum.to_list()
      ** (BoundedXml.ParseError) incomplete XML at line 1, column 35 (byte 34): the selected element has no title, which is required

  Records in records, and one attribute of each:

      iex> "<r><order id='1'><line sku='7'><qty>2</qty></line><line sku='8'/></order></r>"
      ...> |> BoundedXml.select("r/order", fields: [id: "@id", lines: {:records, "line", [sku: "@sku", n: "qty"]}])
      ...> |> Enum.to_list()
      [%{id: "1", lines: [%{sku: "7", n: "2"}, %{sku: "8", n: nil}]}]

  References to entities that cannot be expanded are not part of a text.

  ## Source text

  `{:raw, path}` as a field is the first element at the path as it is written, from the `<` of its start tag to the `>` of its end tag.
  `{:all, {:raw, path}}` and `{:map, {:raw, path}, fun}` work as with a path. With `as: :raw`, each record is its element's own text:

      iex> "<r><item><title>one</title><html>a <b>bold</b>&nbsp;word<br/></html></item></r>"
      ...> |> BoundedXml.select("r/item", fields: [title: "title", html: {:raw, "html"}], recover: [:entities])
      ...> |> Enum.to_list()
      [%{title: "one", html: "<html>a <b>bold</b>&nbsp;word<br/></html>"}]

      iex> "<r><item id='1' >one</item><item/></r>" |> BoundedXml.select("r/item", as: :raw) |> Enum.to_list()
      ["<item id='1' >one</item>", "<item/>"]

  The text is UTF-8, whatever the document's encoding. Line ends, references, comments, CDATA sections and white space are as
  written; characters that `recover: [:characters]` accepts are U+FFFD. It is not copied until it is known that the element is wanted,
  is checked like everything else, and counts towards `:max_record_bytes`. Namespace declarations around the element are not
  part of it. An element that comes out of an entity has no text of its own in the document: its source is the reference, such as
  `&chapter;`.

  ## Where a record is

  `positions: true` returns `{record, {line, column}}`, where the element begins. `byte_offsets: true` returns
  `{record, first..last//1}`, its first and last byte: a part of the document can be read again, cut out or replaced. With both it is
  `{record, {line, column}, first..last//1}`. For an attribute at the end of a path they are those of the tag that has it, and for what
  comes out of an entity those of the reference. Of several paths, `record` is `{key, record}`.

      iex> document = "<r> <item>one</item></r>"
      iex> [{record, {1, 5}, range}] =
      ...>   document |> BoundedXml.select("r/item", positions: true, byte_offsets: true) |> Enum.to_list()
      iex> {record, range}
      {{"item", [], ["one"]}, 4..19}
      iex> binary_part(document, range.first, Range.size(range))
      "<item>one</item>"

  Byte offsets count the bytes of the source as it is given, byte order mark included and before it is decoded, so they are exact in every
  encoding. Those of an enumerable count all its chunks, and with `roots: :many` those of the documents before. Those of a compressed
  file count what it holds after decompression.

  ## Several paths

  A keyword list of paths selects the elements of all of them in one pass. Each is returned as `{key, record}`, in document
  order. A path with fields is `{path, fields: fields, required: keys}`:

      iex> "<r><item><t>one</t></item><note/><item><t>two</t></item><sum total='2'/></r>"
      ...> |> BoundedXml.select(item: {"r/item", fields: [title: "t"]}, note: "r/note", total: "r/sum/@total")
      ...> |> Enum.to_list()
      [item: %{title: "one"}, note: {"note", [], []}, item: %{title: "two"}, total: "2"]

  An element that several paths select is returned for the first of them only, and paths are not followed into a selected
  element. Attributes at the end of paths are returned in any case, before the element that has them.

  ## Namespaces

  With `namespaces: true` the name of an element in a path matches any namespace, that of an attribute only no namespace. A path
  may also be a list of steps: `{uri, local}` (`nil` for no namespace), names, `"*"` and `"//"`:

      iex> "<a xmlns='urn:x'><b>1</b><b xmlns=''>2</b></a>"
      ...> |> BoundedXml.select([{"urn:x", "a"}, {"urn:x", "b"}], namespaces: true)
      ...> |> Enum.to_list()
      [{{"urn:x", "b"}, [], ["1"]}]

  A string path can have prefixes that `:prefixes` maps to URIs, which implies `namespaces: true`. `"dc:*"` matches any
  element in the namespace:

      iex> "<r xmlns:d='urn:d'><d:title>1</d:title><title>2</title></r>"
      ...> |> BoundedXml.select("r/dc:title", prefixes: %{"dc" => "urn:d"})
      ...> |> Enum.to_list()
      [{{"urn:d", "title"}, [], ["1"]}]

  Attributes such as `xsi:type="p:Int"` have names in their values. `scope: true` adds the declarations in scope around a tree's element
  behind its own attributes. The name of such an attribute is `{"http://www.w3.org/2000/xmlns/", prefix}`, with `"xmlns"` for the
  default namespace:

      iex> xml = ~s(<r xmlns:xsd="urn:d" xmlns:xsi="urn:i"><n xsi:type="xsd:int">1</n></r>)
      iex> [{_name, attributes, ["1"]}] = xml |> BoundedXml.select("r/n", scope: true) |> Enum.to_list()
      iex> attributes
      [
        {{"urn:i", "type"}, "xsd:int"},
        {{"http://www.w3.org/2000/xmlns/", "xsd"}, "urn:d"},
        {{"http://www.w3.org/2000/xmlns/", "xsi"}, "urn:i"}
      ]

  ## Limits

  `:max_record_bytes` limits the size of a record: the bytes of its strings, plus 16 for each of them.

  The paths of a selection and its fields together have at most 63 different beginnings: `"a/b/c"` and `"a/b/d"` have three: the
  empty one, `"a"` and `"a/b"`. A beginning that is followed by `/` in one path and by `//` in another counts twice, and each
  `:records` counts once more. A record has at most 1,024 fields, and records are nested at most 8 deep.
  """

  # Parses paths into what `Bounded.Native.xml_open/5` takes: `{paths, {positions?, byte_offsets?, scope?}}`, where a path is
  # `{label | nil, steps, output}` and an output `:tree`, `:raw`, `{:attribute, {uri, local}}` or `{:fields, fields}`. With positions,
  # records come as `{record, {line, column}}`, with byte offsets as `{record, range}`, with both as `{record, {line, column}, range}`.

  alias BoundedXml.Path

  @typedoc "A path as a string, or as a list of steps with `namespaces: true`."
  @type path :: String.t() | [String.t() | {uri :: String.t() | nil, local :: String.t()}]

  @typedoc "One field: a path, all matches, a conversion, or records in records."
  @type field ::
          path
          | {:raw, path}
          | {:all, path | {:raw, path}}
          | {:map, path | {:raw, path}, (String.t() -> term)}
          | {:records, path, [{atom, field}]}

  alias BoundedXml.Selection.{Fields, Records}

  # `positions?` tells whether the caller asked for positions: functions of fields need them in any case.
  defstruct [:native, converters: %{}, positions?: false]

  @max_states 63

  # What is made of an element unless it is said.
  @plain [fields: nil, required: [], as: :tree]

  @doc false
  # The selection of `paths`, one path or a keyword list of them, with valid `options`. Raises `ArgumentError`.
  def parse!(paths, options) do
    records = paths |> listed!(options) |> Enum.map(&record!(&1, options))

    converters =
      for {{label, _steps, _output}, [_ | _] = converters} <- records,
          into: %{},
          do: {label, converters}

    positions? = options.positions or converters != %{}
    paths = records |> Enum.map(&elem(&1, 0)) |> scoped!(options)
    native = {paths, {positions?, options.byte_offsets, options.scope}}
    fits!(native)
    %__MODULE__{native: native, converters: converters, positions?: options.positions}
  end

  # `{label | nil, path, options of its records}` of each path.
  defp listed!(paths, options) do
    given = [fields: options.fields, required: options.required, as: options.as]

    case labelled?(paths) do
      true ->
        given == @plain ||
          raise ArgumentError,
                ~s(with several paths, :fields, :required and :as belong to each: [item: {"r/item", fields: [...]}])

        Enum.map(paths, &labelled!/1) |> distinct!()

      false ->
        [{nil, paths, given}]
    end
  end

  # A list of steps may have `{nil, "a"}`, an element in no namespace.
  defp labelled?([{label, _path} | _] = paths) when is_atom(label) and label != nil do
    (not List.improper?(paths) and
       Enum.all?(paths, &match?({label, _} when is_atom(label) and label != nil, &1))) ||
      raise ArgumentError,
            "several paths are a keyword list such as [item: \"r/item\"], got: #{inspect(paths, limit: 5)}"
  end

  defp labelled?(_path), do: false

  defp labelled!({label, {path, opts}}) when is_list(opts),
    do: {label, path, Keyword.validate!(opts, @plain)}

  defp labelled!({label, path}), do: {label, path, @plain}

  # Functions of fields are found by the label of the record.
  defp distinct!(paths) do
    labels = Enum.map(paths, &elem(&1, 0))
    with_fields = for {label, _path, opts} <- paths, opts[:fields], do: label

    Enum.find(with_fields, fn label -> Enum.count(labels, &(&1 == label)) > 1 end)
    |> case do
      nil ->
        paths

      label ->
        raise ArgumentError, "the key #{inspect(label)} of paths with fields is there twice"
    end
  end

  defp record!({label, path, opts}, options) do
    {fields, required, as} = {opts[:fields], opts[:required], opts[:as]}
    as in [:tree, :raw] || raise ArgumentError, ":as must be :tree or :raw, got: #{inspect(as)}"
    fields || required == [] || raise ArgumentError, ":required needs :fields"

    if fields && as == :raw,
      do:
        raise(ArgumentError, ~s(as: :raw has no :fields. A field can be raw: [html: {:raw, "."}]))

    case {Path.parse!(path, options.namespaces, options.prefixes), fields} do
      {{steps, nil}, nil} ->
        {{label, steps, as}, []}

      {{steps, {_uri, _local} = attribute}, nil} when as == :tree ->
        {{label, steps, {:attribute, attribute}}, []}

      {{steps, nil}, fields} ->
        {fields, converters} = Fields.parse!(fields, required, options)
        {{label, steps, {:fields, fields}}, converters}

      {{_steps, _attribute}, _fields} ->
        raise ArgumentError,
              "the path #{inspect(path)} leads to an attribute, which has no fields and no source text"
    end
  end

  defp scoped!(paths, options) do
    options.scope and not Enum.any?(paths, &match?({_label, _steps, :tree}, &1)) &&
      raise ArgumentError, "scope: true adds to the attributes of trees, and no path gives trees"

    paths
  end

  defp fits!({[{nil, _steps, :tree}], {false, false, false}} = native), do: native

  defp fits!(native) do
    case Bounded.Native.xml_states(native) do
      count when count > @max_states ->
        raise ArgumentError,
              "the paths have #{count} different beginnings, of which there may be #{@max_states}. " <>
                "Select elements that are nearer to the root element, or in several passes"

      _count ->
        native
    end
  end

  @doc false
  # Whether all records are made of fields.
  def only_fields?(%{native: {paths, _extras}}),
    do: Enum.all?(paths, &match?({_label, _steps, {:fields, _}}, &1))

  @doc false
  # The function that records go through before anybody receives them, or nil.
  def converter(nil), do: nil
  def converter(%{converters: converters}) when converters == %{}, do: nil

  def converter(%{converters: converters, positions?: positions?}),
    do: &Records.convert(&1, converters, positions?)
end
