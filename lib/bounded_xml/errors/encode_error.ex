defmodule BoundedXml.EncodeError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Raised for content that cannot be written as XML; says what is wrong, and where.

    * `kind`
      * `:shape`: a term that is no tree, event or string; `reason` shows it. Also a string of more than 32 KiB that was
        matched out of a binary at a bit that begins no byte: the VM would copy all of it for each part that is written
      * `:name`: a name that XML does not allow
      * `:character`: a character that no XML document may contain, not even by reference
      * `:encoding`: bytes that are not UTF-8
      * `:nesting`: elements that do not end within each other, or do not end
      * `:attribute`: two attributes of one name, or more than 16,384 attributes in one element
      * `:comment`, `:instruction`: `--` in a comment, `?>` in a processing instruction
      * `:declaration`, `:doctype`: an XML declaration or a document type declaration that is not allowed, or not there
      * `:root`: no root element, a second one, or text outside it
      * `:namespace`: a declaration that Namespaces in XML 1.0 forbids
      * `:entity`: a reference to an entity that the document does not declare
      * `:indent`: with `indent:`, text that follows a child element. Of a tree that is known before its children are
        written, of events it is not
      * `:busy`: another process is using the same enumeration
    * `reason`: what is wrong, in words
    * `path`: the way from the root to the place, such as `/rss/channel[1]/item[3]/@id`. The number in brackets is the
      place among all children of the element around it, texts included, from 1; `*[4]` is a child that is not begun. `nil`
      for the text of `BoundedXml.escape/1`

  `plug_status` is 500.

      iex> BoundedXml.encode({"rss", [], ["text", {"item", [{"id", <<1>>}], []}]})
      ** (BoundedXml.EncodeError) cannot write XML at /rss/item[2]/@id: no XML document may contain the character U+0001
  """

  @typedoc "The kind of fault, see above."
  @type kind ::
          :shape
          | :name
          | :character
          | :encoding
          | :nesting
          | :attribute
          | :comment
          | :instruction
          | :declaration
          | :doctype
          | :root
          | :namespace
          | :entity
          | :indent
          | :busy

  @typedoc "A term that cannot be written as well-formed XML, and where it is."
  @type t :: %__MODULE__{kind: kind, reason: String.t(), path: String.t() | nil, plug_status: 500}

  defexception [:kind, :reason, :path, plug_status: 500]

  @doc false
  def new({:unusable, _reason}) do
    reason = "another process is using this enumeration: give each process one of its own"
    %__MODULE__{kind: :busy, reason: reason, path: "/"}
  end

  def new({:shape, expected, path, {found}}) do
    %__MODULE__{kind: :shape, reason: "expected #{expected}, got: #{shown(found)}", path: path}
  end

  def new({kind, reason, path, nil}), do: %__MODULE__{kind: kind, reason: reason, path: path}

  # Enough to find it by, and no more: it may be large, or secret.
  defp shown(term), do: inspect(term, limit: 5, printable_limit: 60)

  @impl true
  def message(%{path: nil} = error), do: "cannot write XML: #{error.reason}"
  def message(error), do: "cannot write XML at #{error.path}: #{error.reason}"
end
