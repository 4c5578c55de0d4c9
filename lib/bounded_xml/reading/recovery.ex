defmodule BoundedXml.Recovery do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Documents that break rules of XML, and what the options `:recover` and `:on_recover` do with them.

  Real feeds and exports break rules of XML. `:recover` accepts some of these errors: `:all`, or a list of

    * `:entities`: references to entities that are not declared. The 2,125 names of HTML (`&nbsp;`, `&eacute;`) are
      replaced by their characters. Any other name is the event `{:skipped_entity, name}`, and stays unchanged in the
      value of an attribute
    * `:characters`: references to characters that XML does not allow (`&#x1A;`, `&#8;`) and raw control
      characters become U+FFFD. The two surrogates of a pair, written as two references, become their character
    * `:ampersands`: an `&` that does not begin a reference is the character `&`
    * `:leading_whitespace`: white space and byte order marks before the XML declaration, of at most 4,096
      characters, are skipped

  `:on_recover` is a function that is called with `{kind, text, {line, column}}` for each accepted error. `kind` is one of
  the four names above and `text` is the text in the document. It runs in the process that parses, before that process
  receives the events of that part of the document. Of `text`, at most the first 16 KiB are given.

      iex> report = &send(self(), &1)
      iex> "<p>Fish & chips&nbsp;&#x1A;</p>"
      ...> |> BoundedXml.stream(recover: :all, on_recover: report)
      ...> |> Enum.at(2)
      {:characters, "Fish & chips\u00A0\uFFFD"}
      iex> receive do recovered -> recovered end
      {:ampersands, "&", {1, 9}}

  Do not use `:recover` for signed documents or for access decisions: another parser reads such a document differently,
  or rejects it. Errors in a document type declaration are not accepted, except raw control characters.
  """

  # The native parser returns accepted errors (`:recover`) among the events, in document order. They are tuples of
  # four elements, which no event and no record is.

  @doc false
  # Calls the function of `:on_recover` for each accepted error among `events`, and returns the events without them.
  def report(events, fun) do
    Enum.reject(events, fn
      {:recovered, kind, text, place} ->
        fun.({kind, text, place})
        true

      _event ->
        false
    end)
  end
end
