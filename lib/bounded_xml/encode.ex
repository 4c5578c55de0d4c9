defmodule BoundedXml.Encode do
  @moduledoc since: "0.1.0"
  @moduledoc """
  What `BoundedXml.encode/2`, `encode_to_iodata/2` and `encode_stream/2` write, and their options.

      iex> BoundedXml.encode([{:comment, " made by hand "}, {"a", [], ["x"]}], declaration: true)
      ~s(<?xml version="1.0" encoding="UTF-8"?><!-- made by hand --><a>x</a>)

  Trees are those of `BoundedXml.select/3`, and of Saxy's simple form with all its contents; events are those of `BoundedXml.stream/2`,
  with their places or without. Both may stand in a list and among the children of a tree:

    * `{name, attributes, children}`: an element. `attributes` is a list of `{name, value}`
    * a string, or `{:characters, text}`: text, which is escaped
    * `{:cdata, text}`, `{:comment, text}`, `{:processing_instruction, {target, data}}` (or Saxy's three elements)
    * `{:start_element, {name, attributes}}` and `{:end_element, name}`
    * `{:start_document, prolog}`: the XML declaration, if `prolog` is not empty and `declaration:` is `:auto`;
      `{:end_document, {}}`: nothing
    * `{:doctype, properties}`: `:name`, `:public_id`, `:system_id` and `:internal_subset`, of at most 96 KiB together
    * `{:skipped_entity, name}`, `{:reference, {:entity, name}}`: a reference, if it is predefined or the document type
      may declare it outside the document; `{:reference, {:decimal, code}}` and `{:hexadecimal, code}`

  A name is a string, written as it is, or `{uri | nil, local}`. For a namespace that nothing around declares a prefix
  is chosen and declared:

      iex> BoundedXml.encode({{"urn:x", "a"}, [{{"urn:y", "k"}, "1"}], [{{"urn:x", "b"}, [], []}]},
      ...>   prefixes: %{"x" => "urn:x"})
      ~s(<x:a ns1:k="1" xmlns:x="urn:x" xmlns:ns1="urn:y"><x:b/></x:a>)

  What is written is well-formed XML 1.0 in UTF-8, and reading it gives what was written: CR, TAB and LF in attributes
  and CR in text and CDATA become references, and a CDATA section is divided where `]]>` would end it. CR in a comment or an
  instruction has no reference: it is read as LF.

  ## Options

    * `:declaration` (`:auto`): `true` for `<?xml version="1.0" encoding="UTF-8"?>`, `false`, or a keyword list with
      `:version`, `:encoding` (`"UTF-8"` or `nil`) and `:standalone`. `:auto` writes what a `:start_document` event
      says, but for the encoding
    * `:indent` (`nil`): spaces for each level, 0 to 16. Elements that have text among their children, or
      `xml:space="preserve"`, are written as they are, with all that is in them. Levels beyond 64 get no more spaces
    * `:empty` (`:collapse`): `<a/>`, or with `:expand` `<a></a>`
    * `:quote` (`:double`): the quotes around values, or `:single`
    * `:prefixes` (`%{}`): a map of prefixes to the URIs they stand for, declared in the root's tag; `""` is for
      elements without a prefix

  ## Streams

  With the option `root: {name, attributes}` of `BoundedXml.encode_stream/2` the items are the children of one element:

      iex> [{"item", [], ["1"]}, {"item", [], ["2"]}]
      ...> |> BoundedXml.encode_stream(root: {"rss", [{"version", "2.0"}]})
      ...> |> Enum.join()
      ~s(<rss version="2.0"><item>1</item><item>2</item></rss>)

  With `:indent` an event of text that follows a child element
  raises, since the line before that child is broken already; of a tree, text is looked for before.

  A list, and what `BoundedXml.stream/2` and `BoundedXml.select/3` return, are handed over in batches; what goes through functions of
  `Stream` is taken one by one.
  """

  # Passes terms to the native writer, call by call. Each call returns frames, which say what remains to be written and are passed
  # to the next call.

  import Bounded.Sizes, only: [plain_max: 0]

  alias Bounded.Native
  alias BoundedBinary.Builder
  alias BoundedXml.EncodeError
  alias Quota.Account.Reservation

  @typedoc "What can be written: a tree, an event, a text, or content in Saxy's simple form."
  @type encodable ::
          {BoundedXml.name(), [{BoundedXml.name(), String.t()}], [encodable]}
          | String.t()
          | BoundedXml.event()
          | {:reference, {:entity, String.t()} | {:decimal | :hexadecimal, non_neg_integer}}
          | {:processing_instruction, String.t(), String.t()}

  @doc false
  def pieces(content, setup) do
    items = if is_list(content), do: content, else: [content]
    frames = [items(items)]

    case charged(fn -> Native.xml_encode(setup, frames, true) end) do
      {:done, pieces, [], nil} -> in_order(pieces)
      {:more, pieces, frames, encoder} -> more(encoder, frames, [pieces])
    end
  end

  defp more(encoder, frames, written) do
    case next(encoder, frames, true) do
      {:done, pieces, [], _} -> Enum.reduce([pieces | written], [], &:lists.reverse(&1, &2))
      {:more, pieces, frames, _} -> more(encoder, frames, [pieces | written])
    end
  end

  @doc false
  def binary([]), do: ""
  def binary([piece]), do: piece

  def binary(pieces) do
    case :erlang.iolist_size(pieces) do
      size when size <= plain_max() ->
        :erlang.iolist_to_binary(pieces)

      size ->
        pieces |> Enum.reduce(Builder.new(size), &Builder.append(&2, &1)) |> Builder.finish()
    end
  end

  @doc false
  def open(setup, frames), do: charged(fn -> Native.xml_encode(setup, frames, false) end)

  @doc false
  def next(encoder, frames, last?) do
    charged(fn -> Native.xml_encode_more(encoder, frames, last?) end)
  end

  @doc false
  def items(list), do: {0, list, {}, {}, 0, false}

  @doc false
  def in_order([]), do: []
  def in_order([_piece] = pieces), do: pieces
  def in_order(pieces), do: :lists.reverse(pieces)

  defp charged(nif) do
    case Reservation.charged(nif) do
      {:ok, written} -> written
      {:error, error} -> raise EncodeError.new(error)
    end
  end
end
