defmodule BoundedXml.Encode.NamespacesTest do
  use ExUnit.Case, async: true

  alias BoundedXml.EncodeError

  defp tree(xml, opts) do
    [tree] = xml |> BoundedXml.select("*", opts) |> Enum.to_list()
    tree
  end

  defp error(content), do: assert_raise(EncodeError, fn -> BoundedXml.encode(content) end)

  describe "namespaces" do
    test "get prefixes where none is declared" do
      name = {"urn:x", "a"}
      assert BoundedXml.encode({name, [], []}) == ~s(<ns1:a xmlns:ns1="urn:x"/>)
      assert BoundedXml.encode({name, [], [{name, [], []}]}) =~ "<ns1:a/></ns1:a>"

      assert BoundedXml.encode({name, [], []}, prefixes: %{"" => "urn:x"}) ==
               ~s(<a xmlns="urn:x"/>)

      assert BoundedXml.encode({{nil, "a"}, [{{nil, "k"}, "v"}], []}) == ~s(<a k="v"/>)

      xml = {"http://www.w3.org/XML/1998/namespace", "lang"}
      assert BoundedXml.encode({"a", [{xml, "de"}], []}) == ~s(<a xml:lang="de"/>)
    end

    test "that a document declares are written as it declares them" do
      for xml <- [
            ~s(<a xmlns="urn:x"><b xmlns=""/><c/></a>),
            ~s(<p:a xmlns:p="urn:x" p:k="1"><p:b xmlns:p="urn:y"/><q:b xmlns:q="urn:x"/></p:a>),
            ~s(<a xmlns="urn:x" xmlns:p="urn:x" p:k="1" k="2"/>)
          ] do
        events = xml |> BoundedXml.stream(namespaces: true) |> Enum.to_list()

        again =
          events |> BoundedXml.encode() |> BoundedXml.stream(namespaces: true) |> Enum.to_list()

        assert again == events
        tree = tree(xml, namespaces: true)
        assert tree(BoundedXml.encode(tree), namespaces: true) == tree
      end
    end

    test "are read as they were given, whatever is around them" do
      uris = [nil, "urn:x", "urn:y", "urn:z"]
      names = for uri <- uris, local <- ["a", "b"], do: {uri, local}

      element = fn
        _element, 0 ->
          {Enum.random(names), [], []}

        element, depth ->
          attributes = for name <- Enum.take_random(names, 3), do: {name, "v"}
          {Enum.random(names), attributes, for(_ <- 1..3, do: element.(element, depth - 1))}
      end

      for prefixes <- [%{}, %{"x" => "urn:x"}, %{"" => "urn:y", "ns1" => "urn:z"}], _ <- 1..30 do
        tree = element.(element, 4)
        read = tree |> BoundedXml.encode(prefixes: prefixes) |> tree(namespaces: true)
        assert without_declarations(read) == tree
      end
    end

    defp without_declarations({name, attributes, children}) do
      declares? = &match?({{"http://www.w3.org/2000/xmlns/", _}, _}, &1)
      {name, Enum.reject(attributes, declares?), Enum.map(children, &without_declarations/1)}
    end

    test "cannot be declared against the rules" do
      declaration = &{{"http://www.w3.org/2000/xmlns/", &1}, &2}

      for {content, kind} <- [
            {{{"urn:x", "a:b"}, [], []}, :name},
            {{{"http://www.w3.org/2000/xmlns/", "a"}, [], []}, :namespace},
            {{{"urn:\0", "a"}, [], []}, :character},
            {{{nil, "a"}, [declaration.("xmlns", "urn:x")], []}, :namespace},
            {{{"urn:x", "a"}, [declaration.("p", "")], []}, :namespace},
            {{{"urn:x", "a"}, [declaration.("xml", "urn:x")], []}, :namespace},
            {{{"urn:x", "a"}, [{{"urn:x", "k"}, "1"}, {{"urn:x", "k"}, "2"}], []}, :attribute},
            {{{"urn:x", "a"}, [{"xmlns:p", "urn:x"}, {"p:k", "1"}, {{"urn:x", "k"}, "2"}], []},
             :attribute}
          ] do
        assert error(content).kind == kind, inspect(content)
      end
    end

    # They are written as they are, and no second declaration of their prefixes may follow them in the tag.
    test "that are declared for nothing, or by a long URI, are taken" do
      long = "urn:" <> String.duplicate("x", 40_000)

      for {prefix, attribute} <- [{"", "xmlns"}, {"p", "xmlns:p"}], uri <- [long, ""] do
        name = if prefix == "", do: "r", else: "p:r"

        written =
          BoundedXml.encode({name, [{attribute, uri}], []}, prefixes: %{prefix => "urn:y"})

        assert {"r", [{^attribute, ^uri}]} = read_plain(written, prefix)
      end

      for uri <- [long, ""] do
        content = {{"urn:x", "r"}, [{"xmlns:ns1", uri}], []}
        written = BoundedXml.encode(content)
        assert {"r", [{"xmlns:ns1", ^uri}, {"xmlns:ns2", "urn:x"}]} = read_plain(written, "ns2")
      end

      declaration = {{"http://www.w3.org/2000/xmlns/", "ns1"}, long}
      written = BoundedXml.encode({{"urn:x", "r"}, [declaration], []})
      assert {"r", [{"xmlns:ns1", ^long}, {"xmlns:ns2", "urn:x"}]} = read_plain(written, "ns2")
    end

    test "of a long default are not those of names without one" do
      long = "urn:" <> String.duplicate("x", 40_000)
      written = BoundedXml.encode({"r", [{"xmlns", long}], [{{nil, "a"}, [], []}]})
      assert {{^long, "r"}, _, [{{nil, "a"}, _, []}]} = tree(written, namespaces: true)
    end

    defp read_plain(written, prefix) do
      {name, attributes, []} = BoundedXml.parse!(written)
      local = if prefix == "", do: name, else: String.replace_prefix(name, prefix <> ":", "")
      {local, attributes}
    end
  end
end
