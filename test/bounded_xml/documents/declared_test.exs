defmodule BoundedXml.DeclaredTest do
  use ExUnit.Case, async: true

  # What a document declares about itself: its encoding, its type, its namespaces.

  alias BoundedXml.ParseError

  @xmlns "http://www.w3.org/2000/xmlns/"

  defp events(source, opts \\ []), do: source |> BoundedXml.stream(opts) |> Enum.to_list()

  defp content(xml, opts) do
    ["<r>", xml, "</r>"] |> events(opts) |> Enum.drop(2) |> Enum.drop(-2)
  end

  defp parse_error(source, opts \\ []) do
    assert_raise ParseError, fn -> source |> BoundedXml.stream(opts) |> Stream.run() end
  end

  test "encoding" do
    latin = <<"<a>", 0xE9, "</a>">>
    assert {:characters, "é"} in events(latin, encoding: "ISO-8859-1")
    assert parse_error(latin).kind == :encoding

    declared = [~s(<?xml version="1.0" encoding="windows-1252"?>), "<a>", 0x80, "</a>"]
    assert {:characters, "€"} in events(declared)
  end

  test "emit: comments, instructions, CDATA, document types" do
    document = "<!DOCTYPE r SYSTEM 's'><r><!--c--><?t d?>x<![CDATA[y]]>z</r>"

    assert events(document, emit: [:cdata, :comments, :processing_instructions, :doctype]) == [
             start_document: [],
             doctype: [name: "r", system_id: "s"],
             start_element: {"r", []},
             comment: "c",
             processing_instruction: {"t", "d"},
             characters: "x",
             cdata: "y",
             characters: "z",
             end_element: "r",
             end_document: {}
           ]

    assert content("<!--c-->x<![CDATA[y]]>z", emit: [:comments]) == [
             comment: "c",
             characters: "xyz"
           ]
  end

  test "the type declaration, when asked for" do
    subset = ~s(<!ENTITY e "x">)
    document = "<!DOCTYPE r PUBLIC 'p' 's' [#{subset}]><r>&e;</r>"

    assert {:doctype, [name: "r", public_id: "p", system_id: "s", internal_subset: subset]} in events(
             document,
             emit: [:doctype]
           )

    assert {:characters, "x"} in events(document)
  end

  test "entities, defaults and what cannot be expanded" do
    document = """
    <!DOCTYPE r SYSTEM "elsewhere" [
      <!ENTITY inner "<b>x</b>">
      <!ATTLIST r kind CDATA "plain">
    ]>
    <r>&inner;&outer;</r>
    """

    assert events(document) == [
             start_document: [],
             start_element: {"r", [{"kind", "plain"}]},
             start_element: {"b", []},
             characters: "x",
             end_element: "b",
             skipped_entity: "outer",
             end_element: "r",
             end_document: {}
           ]

    assert document |> BoundedXml.select("r") |> Enum.to_list() ==
             [{"r", [{"kind", "plain"}], [{"b", [], ["x"]}, {:skipped_entity, "outer"}]}]

    assert parse_error("<!DOCTYPE r SYSTEM '1234567890'><r/>", max_dtd_bytes: 12).limit ==
             :max_dtd_bytes
  end

  test "entities cannot make a document grow beyond all measure" do
    lol = for n <- 1..9, do: "<!ENTITY l#{n} '#{String.duplicate("&l#{n - 1};", 10)}'>"
    document = ["<!DOCTYPE r [<!ENTITY l0 'lol'>", lol, "]><r>&l9;</r>"]
    assert %{kind: :limit} = error = parse_error(document)
    assert error.limit in [:max_amplification, :max_entity_bytes, :max_entity_expansions]
  end

  test "namespaces: names carry their URI" do
    document = "<r xmlns='urn:d' xmlns:p='urn:p' a='1' p:a='2'><p:c/><d xmlns=''/></r>"

    assert for({:start_element, element} <- events(document, namespaces: true), do: element) == [
             {{"urn:d", "r"},
              [
                {{@xmlns, "xmlns"}, "urn:d"},
                {{@xmlns, "p"}, "urn:p"},
                {{nil, "a"}, "1"},
                {{"urn:p", "a"}, "2"}
              ]},
             {{"urn:p", "c"}, []},
             {{nil, "d"}, [{{@xmlns, "xmlns"}, ""}]}
           ]

    assert parse_error("<p:r/>", namespaces: true).kind == :malformed
    assert [_, {:start_element, {"p:r", []}} | _] = events("<p:r/>")

    assert parse_error("<r xmlns:a='1' xmlns:b='2'/>", namespaces: true, max_namespaces: 1).limit ==
             :max_namespaces
  end

  test "a name is told apart by its namespace, not by its prefix" do
    document = "<r><p:a xmlns:p='urn:1'/><p:a xmlns:p='urn:2'/><p:a xmlns:p='urn:1'/></r>"

    assert for({:end_element, {uri, "a"}} <- events(document, namespaces: true), do: uri) ==
             ["urn:1", "urn:2", "urn:1"]

    assert document
           |> BoundedXml.select(["r", {"urn:2", "a"}], namespaces: true)
           |> Enum.to_list() == [{{"urn:2", "a"}, [{{@xmlns, "p"}, "urn:2"}], []}]
  end
end
