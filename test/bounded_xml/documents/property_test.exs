defmodule BoundedXml.PropertyTest do
  use ExUnit.Case, async: true

  # Random documents, well-formed and broken, cut at random: one meaning, however it arrives.

  alias Bounded.Test.Xml

  @documents 400

  @tag :native_speed
  test "the same events and the same error at any cut, with any options" do
    seed = seed()

    for n <- 1..@documents do
      document = document()
      document = if :rand.uniform(3) == 1, do: broken(document), else: document
      opts = [positions: flip(), namespaces: flip(), skip_whitespace: flip()] ++ one(texts())
      whole = Xml.events(document, opts)

      for _ <- 1..3 do
        cut = cut(document)
        found = Xml.events(pieces(cut), opts)
        assert found == whole, inspect({seed, n, opts, cut}, limit: :infinity)
      end
    end
  end

  @tag :native_speed
  test "selection finds what events tell, at any cut" do
    seed = seed()

    for n <- 1..@documents do
      document = document()
      expected = document |> BoundedXml.stream(text: :joined) |> Enum.to_list()
      [root] = document |> cut() |> pieces() |> BoundedXml.select("*") |> Enum.to_list()
      assert flat(root) == expected |> Enum.drop(1) |> Enum.drop(-1), inspect({seed, n, document})
    end
  end

  defp seed do
    seed = {1, 2, System.os_time()}
    :rand.seed(:exsss, seed)
    seed
  end

  defp flat({name, attributes, children}) do
    [{:start_element, {name, attributes}}] ++
      Enum.flat_map(children, &flat/1) ++ [{:end_element, name}]
  end

  defp flat(text), do: [{:characters, text}]

  defp texts do
    [[], [text: :joined], [emit: [:cdata]], [emit: [:comments, :processing_instructions]]]
  end

  defp document do
    prolog = one(["", "", "\uFEFF", "<?xml version='1.0'?>\r\n", "<!-- c -->", "<!DOCTYPE a>\n"])

    IO.iodata_to_binary([prolog, element(4), one(["", "\n", "<?p i?>", "<!-- -->\r"])])
  end

  defp element(depth) do
    name = one(["a", "b", "ns:c", "größe", "x-1.y"])
    attributes = Enum.take_random(attributes(), :rand.uniform(4) - 1)
    children = if depth > 0, do: for(_ <- 1..:rand.uniform(5), do: child(depth - 1)), else: []

    case {children, flip()} do
      {[], true} -> ["<", name, space(), namespace(), attributes, "/>"]
      _ -> ["<", name, namespace(), attributes, space(), ">", children, "</", name, space(), ">"]
    end
  end

  # Declared everywhere, so that prefixes mean something with namespaces: true.
  defp namespace, do: [" xmlns:ns='urn:", one(["one", "two"]), "'"]

  defp attributes do
    [
      [" k='", one(["", "v", "a&amp;b", "x\r\ny\tz", "&#x41;ä€😀"]), "'"],
      [" l = \"", one(["'", "&quot;", "&#10;", "1 2"]), "\""],
      "\n\tns:m='&lt;'"
    ]
  end

  defp child(depth) do
    case :rand.uniform(8) do
      1 -> "<![CDATA[#{one(["", "<&>", "]]", "]]]", "\r\n", "ü"])}]]>"
      2 -> "<!--#{one(["", " comment ", "a-b", "ö\r"])}-->"
      3 -> "<?target #{one(["", "data", "a?b>"])}?>"
      4 -> one(["&amp;", "&#13;", "&#x20AC;", "&lt;&gt;", "&apos;"])
      5 -> one([" ", "\n  ", "\r\n", "\r", "\t"])
      6 -> one(["text", "ä€😀", "]] >", "a\rb\r\nc", String.duplicate("long ", 50)])
      _ -> element(depth)
    end
  end

  # One byte more, less, or another one.
  defp broken(document) do
    {before, <<byte, rest::binary>>} = split(document, :rand.uniform(byte_size(document)) - 1)

    case :rand.uniform(4) do
      1 -> <<before::binary, rest::binary>>
      2 -> before
      3 -> <<before::binary, one([?<, ?>, ?&, ?;, ?", ?', ?/, ?=, ?], ?x, 0, 255]), rest::binary>>
      4 -> <<before::binary, one([?<, ?>, ?&, ?\r, ?\s, ?-, ??, ?!, ?]]), byte, rest::binary>>
    end
  end

  defp cut(""), do: []

  defp cut(binary) do
    size = min(byte_size(binary), :rand.uniform(one([2, 5, 40])))
    {piece, rest} = split(binary, size)
    [piece | if(flip(), do: [""], else: []) ++ cut(rest)]
  end

  # A list would be put together again where its pieces are small; any other enumerable is not.
  defp pieces(list), do: Stream.concat([list])

  defp split(binary, at),
    do: {binary_part(binary, 0, at), binary_part(binary, at, byte_size(binary) - at)}

  defp space, do: one(["", " ", "\n"])
  defp flip, do: :rand.uniform(2) == 1
  defp one(choices), do: Enum.random(choices)
end
