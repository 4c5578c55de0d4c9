defmodule BoundedXml.Limits do
  @moduledoc since: "0.1.0"
  @moduledoc """
  The limits of a document that `BoundedXml` reads, and their defaults.

  Each limit is an option. Exceeding it raises a `BoundedXml.ParseError` of kind `:limit`.

  | limit | default | limits |
  | --- | --- | --- |
  | `:max_depth` | 256 | elements open at once |
  | `:max_attributes` | 256 | attributes of one element, namespace declarations and defaults included |
  | `:max_name_bytes` | 1 KiB | bytes of one name |
  | `:max_attribute_bytes` | 4 MiB | bytes of one attribute's value |
  | `:max_text_bytes` | 4 MiB | bytes of one run of text with `text: :joined`, and of white space that `:skip_whitespace` buffers |
  | `:max_token_bytes` | 8 MiB | bytes of one tag, comment, processing instruction or declaration |
  | `:max_namespaces` | 128 | namespace declarations in scope; also, times `:max_name_bytes`, the bytes of their prefixes and URIs |
  | `:max_dtd_bytes` | 64 KiB | bytes of the document type declaration |
  | `:max_entities` | 2,500 | entities declared |
  | `:max_entity_expansions` | 500,000 | references to declared entities, nested ones included |
  | `:max_entity_depth` | 20 | entities open within each other |
  | `:max_entity_bytes` | 1 MiB | bytes that entities and defaults may add to any document |
  | `:max_amplification` | 100 | beyond that, the ratio of the bytes they add to the bytes of input |
  | `:max_recoveries` | 100,000 | errors that `:recover` accepts; raw characters are counted separately |
  | `:max_bytes` | `:infinity` | bytes of the document |
  | `:max_elements` | `:infinity` | elements of the document |

  Of one selected element, a record, with `BoundedXml.select/3`, `BoundedXml.parse/2` and `BoundedXml.Parser`:

  | limit | default | limits |
  | --- | --- | --- |
  | `:max_record_bytes` | 16 MiB | size of its tree: the bytes of its names, values and texts, plus 16 bytes for each of them |
  | `:max_record_elements` | `:infinity` | of a tree, its elements, itself included |
  | `:max_record_depth` | `:infinity` | of a tree, its elements open at once, itself included |

  `limits: :strict` divides the limits in bytes by 8 and rejects document types. `limits: :trusted` multiplies every limit
  by 64. Single limits in the same call take precedence over both. A limit is at most 1 GiB, except those whose default is
  `:infinity`, so native memory is always bounded.

  Constructs that are handled within one native call, which must be short, have fixed limits as well. A larger option
  counts as the fixed limit:

    * a name has at most 256 KiB: a name is compared with sixteen others, which took 14 ms with names of 1 MiB
    * the XML declaration has at most 256 KiB and the document type declaration at most 96 KiB: one of 2.7 MB took 8.8 ms
    * at most 65,536 elements are open at once, 16,384 attributes are in one tag, 16,384 namespaces are declared, and 1,280
      entities are open within each other: a larger table takes milliseconds to move when it grows
    * the name of an encoding ends within the first 4,096 characters of the document

  Internal subsets of real documents have a few kilobytes: some entities, notations and defaults of attributes. An internal
  subset over 96 KiB is usually a whole DTD that was pasted into the document. Refer to that DTD instead, as in
  `<!DOCTYPE book SYSTEM "book.dtd">`, and keep only the declarations of the entities and defaults that the document uses
  between `[` and `]`, because an external DTD is not read. If the document cannot be changed, remove the text between `[`
  and `]>` before it is parsed. With `recover: [:entities]` the names of HTML's entities are then still replaced.

  28,148 real documents stay within the defaults, and the defaults are no higher than those of libxml2, expat, the JDK,
  Woodstox and .NET.
  """

  @kib 1024
  @mib 1024 * 1024

  @bytes [
    max_name_bytes: 1 * @kib,
    max_attribute_bytes: 4 * @mib,
    max_token_bytes: 8 * @mib,
    max_dtd_bytes: 64 * @kib,
    max_entity_bytes: 1 * @mib,
    max_text_bytes: 4 * @mib,
    max_record_bytes: 16 * @mib
  ]
  @counts [
    max_depth: 256,
    max_attributes: 256,
    max_namespaces: 128,
    max_entities: 2_500,
    max_entity_expansions: 500_000,
    max_entity_depth: 20,
    max_amplification: 100,
    max_recoveries: 100_000
  ]
  @totals [
    max_bytes: :infinity,
    max_elements: :infinity,
    max_record_elements: :infinity,
    max_record_depth: :infinity
  ]

  @doc false
  # Those of one record.
  def records, do: [:max_record_bytes, :max_record_elements, :max_record_depth]

  @doc false
  def defaults, do: @bytes ++ @counts ++ @totals

  @doc false
  def strict, do: for({limit, n} <- @bytes, do: {limit, div(n, 8)})

  @doc false
  def trusted, do: for({limit, n} <- @bytes ++ @counts, do: {limit, n * 64})
end
