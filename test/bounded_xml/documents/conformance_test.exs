defmodule BoundedXml.ConformanceTest do
  use ExUnit.Case, async: true

  # The W3C's suite, XML 1.0 fifth edition, core tests: `bin/fetch-xmlconf` puts it in place, and so does
  # this test where the corpus lies beside the project. Where `CI` is set, a run without it fails: a check that everybody relies on
  # must not pass because it did not take place.

  alias Bounded.Test.Xml

  @moduletag :conformance
  @moduletag timeout: 300_000

  @directory "test/xmlconf"
  @table Path.join(@directory, "xmlconf_core.eterm")

  if not File.exists?(@table) and File.exists?(Path.join(Xml.corpus(), "xmlts20130923.zip")) do
    System.cmd(Path.expand("bin/fetch-xmlconf"), [], stderr_to_stdout: true)
  end

  if not File.exists?(@table) and System.get_env("CI") in [nil, "", "false"] do
    IO.puts("conformance: the suite is not in #{@directory}, see bin/fetch-xmlconf; skipped")
    @moduletag skip: "the suite is not in #{@directory}, see bin/fetch-xmlconf"
  end

  # Where all tests are skipped, this is not called.
  setup_all do
    case :file.consult(@table) do
      {:ok, tests} ->
        %{tests: tests}

      {:error, _} ->
        flunk("CI is set and the suite is not in #{@directory}: run bin/fetch-xmlconf")
    end
  end

  test "every document gets its verdict, the same at every cut", %{tests: tests} do
    results =
      for {id, verdict, _type, _entities, namespaces?, path, _output} <- tests do
        document = read(path)
        opts = [limits: :trusted, namespaces: namespaces?, positions: true]
        {_events, error} = whole = Xml.events(document, opts)

        for size <- [1, 2, 3, 7] do
          assert Xml.events(document, [chunk_bytes: size] ++ opts) == whole, "#{id}, #{size}"
        end

        {group(path), id, if(error, do: :reject, else: :accept) == verdict}
      end

    for {group, results} <- Enum.group_by(results, &elem(&1, 0)), do: print(group, results)
    print("all", results)
    assert for({_group, id, false} <- results, do: id) == []
  end

  test "canonical outputs", %{tests: tests} do
    results =
      for {id, :accept, _type, :none, _, path, output} <- tests, output != nil do
        {"outputs", id, canonical(read(path)) == read(output)}
      end

    print("canonical outputs", results)
    assert for({_group, id, false} <- results, do: id) == []
  end

  defp read(path), do: File.read!(Path.join([@directory, "xmlconf", path]))

  defp group(path), do: path |> Path.split() |> hd()

  defp print(group, results) do
    right = Enum.count(results, &elem(&1, 2))
    IO.puts("conformance: #{String.pad_trailing(group, 20)} #{right} of #{length(results)}")
  end

  # The second of James Clark's canonical forms: sorted attributes, notations, no comments.
  defp canonical(document) do
    document
    |> BoundedXml.stream(limits: :trusted, emit: [:processing_instructions, :doctype])
    |> Enum.reduce({[], ""}, &write/2)
    |> elem(0)
    |> Enum.reverse()
    |> IO.iodata_to_binary()
  end

  # `doctype` is written when the root element begins.
  defp write({:doctype, properties}, {written, _none}), do: {written, doctype(properties)}

  defp write({:start_element, {name, attributes}}, {written, doctype}) do
    attributes =
      for {name, value} <- Enum.sort(attributes), do: [" ", name, "=\"", escape(value), "\""]

    {[[doctype, "<", name, attributes, ">"] | written], ""}
  end

  defp write({:end_element, name}, {written, doctype}),
    do: {[["</", name, ">"] | written], doctype}

  defp write({:characters, text}, {written, doctype}), do: {[escape(text) | written], doctype}

  defp write({:processing_instruction, {target, data}}, {written, doctype}),
    do: {[["<?", target, " ", data, "?>"] | written], doctype}

  defp write(_event, acc), do: acc

  defp escape(text) do
    String.replace(text, ["&", "<", ">", "\"", "\t", "\n", "\r"], fn
      "&" -> "&amp;"
      "<" -> "&lt;"
      ">" -> "&gt;"
      "\"" -> "&quot;"
      <<control>> -> "&##{control};"
    end)
  end

  @notation ~r/<!NOTATION\s+(\S+)\s+(SYSTEM|PUBLIC)\s+("[^"]*"|'[^']*')(?:\s+("[^"]*"|'[^']*'))?\s*>/

  defp doctype(properties) do
    case Regex.scan(@notation, properties[:internal_subset] || "", capture: :all_but_first) do
      [] ->
        ""

      notations ->
        lines =
          for [name, kind | literals] <- Enum.sort(notations) do
            literals = for literal <- literals, do: [" '", String.slice(literal, 1..-2//1), "'"]
            ["<!NOTATION ", name, " ", kind, literals, ">\n"]
          end

        ["<!DOCTYPE ", properties[:name], " [\n", lines, "]>\n"]
    end
  end
end
