defmodule BoundedXml.SelectPathsTest do
  use ExUnit.Case, async: true

  # Conditions on attributes, and several paths in one pass.

  alias Bounded.Test.TreePaths

  defp select(source, path, opts \\ []),
    do: source |> BoundedXml.select(path, opts) |> Enum.to_list()

  @document """
  <r><g k='1'><i a='1'>one</i><i a='2' b='x'>two</i><i>three</i></g>
  <g><i a='1' b='y'>four<i a='1'/></i><s t='9'/></g></r>
  """

  test "conditions on attributes, on any step, are all to hold" do
    texts = fn path -> for {"i", _, [text | _]} <- select(@document, path), do: text end
    assert texts.("r/g/i[@a]") == ["one", "two", "four"]
    assert texts.("r/g/i[@a='1']") == ["one", "four"]
    assert texts.("r/g/i[@a!='1']") == ["two"]
    assert texts.("r/g/i[@a='1'][@b]") == ["four"]
    assert texts.("r/g/i[@a][@b!='y']") == ["two"]
    assert texts.("r/g[@k='1']/i") == ["one", "two", "three"]
    assert texts.("r/g[@k]/i[@b]") == ["two"]
    assert texts.("r/g[@none]/i") == []
    assert texts.("//i[@b='y']") == ["four"]
    assert texts.("*/*/*[@a='2']") == ["two"]
  end

  test "values are compared as they are read" do
    document = "<r><i a='x&amp;y'/><i a='x\ny'/><i a='ö'/><i a=''/></r>"
    assert select(document, "r/i[@a='x&y']") == [{"i", [{"a", "x&y"}], []}]
    assert select(document, "r/i[@a='x y']") == [{"i", [{"a", "x y"}], []}]
    assert select(document, "r/i[@a='ö']") == [{"i", [{"a", "ö"}], []}]
    assert select(document, "r/i[@a='']") == [{"i", [{"a", ""}], []}]
  end

  test "an attribute without a prefix is in no namespace, with one in its" do
    document = "<r xmlns:p='urn:p'><i p:a='1'/><i a='1'/><i xmlns:a='urn:a'/></r>"
    opts = [prefixes: %{"q" => "urn:p"}]
    assert [{_, [{{nil, "a"}, "1"}], []}] = select(document, "r/i[@a]", opts)
    assert [{_, [{{"urn:p", "a"}, "1"}], []}] = select(document, "r/i[@q:a='1']", opts)
    assert [{"i", [{"p:a", "1"}], []}] = select(document, "r/i[@p:a]")
  end

  test "declared defaults count" do
    document = "<!DOCTYPE r [<!ATTLIST i a CDATA 'd'>]><r><i/><i a='e'/></r>"
    assert select(document, "r/i[@a='d']") == [{"i", [{"a", "d"}], []}]
  end

  test "several paths in one pass, labelled, in document order" do
    paths = [item: "r/g/i[@a='1']", group: "r/g[@k]/none", s: "//s", root: "none"]

    assert [item: {"i", _, ["one"]}, item: {"i", _, ["four", {"i", _, []}]}, s: {"s", _, []}] =
             select(@document, paths)

    assert [a: {"r", [], _}] = select(@document, a: "r", b: "r/g")
    assert select(@document, b: "none", a: "r/none") == []
  end

  test "of an element that several paths select, the first one counts" do
    assert [x: {"s", _, _}] = select(@document, x: "r/g/s", y: "//s")
    assert [y: {"s", _, _}] = select(@document, y: "//s", x: "r/g/s")
    # And what is inside a selected one is not looked at.
    assert [g: {"g", _, _}, g: {"g", _, _}] = select(@document, i: "r/g/i/i", g: "r/g")
  end

  test "wrong paths are refused at once" do
    assert_raise ArgumentError, ~r/keyword list/, fn -> select(@document, [{:a, "r"}, "b"]) end
    assert_raise ArgumentError, ~r/condition/, fn -> select(@document, a: "r", b: "r[1]") end
    assert_raise ArgumentError, ~r/path must be a string/, fn -> select(@document, a: :r) end
    many = for n <- 1..63, do: {:a, "r/n#{n}/m"}
    assert_raise ArgumentError, ~r/65 different beginnings/, fn -> select(@document, many) end
    assert select("<r><n61><m/></n61></r>", Enum.take(many, 61)) == [a: {"m", [], []}]
  end

  @tag :native_speed
  test "random paths find what a walk over the tree finds, at any cut" do
    seed = {3, 4, System.os_time()}
    :rand.seed(:exsss, seed)

    for n <- 1..400 do
      document = element(4)
      [root] = select(document, "*")
      paths = for label <- Enum.take([:one, :two, :three], :rand.uniform(3)), do: {label, steps()}
      expected = expected({:document, [], [root]}, paths)
      strings = for {label, steps} <- paths, do: {label, TreePaths.path(steps)}
      context = inspect({seed, n, document, strings}, limit: :infinity)
      assert select(document, strings) == expected, context

      pieces = Stream.concat([pieces(document)])
      assert select(pieces, strings) == expected, context

      assert select(document, strings, prefixes: %{"x" => "urn:x"}) |> strip() == expected,
             context

      [{_label, string} | _] = strings
      single = for {_place, tree} <- expected_of(root, hd(paths)), do: tree
      assert select(pieces, string) == single, context
    end
  end

  defp expected_of(root, {_label, steps}),
    do: {:document, [], [root]} |> TreePaths.find(steps) |> TreePaths.outermost()

  # Of each element the first path, and of those the outermost.
  defp expected(document, paths) do
    found =
      for {label, steps} <- paths,
          {place, tree} <- TreePaths.find(document, steps),
          do: {place, {label, tree}}

    found
    |> Enum.uniq_by(&elem(&1, 0))
    |> TreePaths.outermost()
    |> Enum.sort_by(&elem(&1, 0))
    |> Enum.map(&elem(&1, 1))
  end

  # Names without their namespaces, which are none here.
  defp strip(records), do: for({label, tree} <- records, do: {label, bare(tree)})

  defp bare({{nil, name}, attributes, children}),
    do:
      {name, for({{nil, name}, value} <- attributes, do: {name, value}),
       Enum.map(children, &bare/1)}

  defp bare(text), do: text

  defp element(depth) do
    name = one(["a", "b", "c"])

    attributes =
      for name <- ["x", "y"], one([true, false]), do: [" ", name, "='", one(["1", "2"]), "'"]

    count = if depth == 0, do: 0, else: :rand.uniform(4) - 1
    children = for _ <- 1..count//1, do: [one(["", "", "text", " "]), element(depth - 1)]

    IO.iodata_to_binary(
      case {children, one([1, 2])} do
        {[], 1} -> ["<", name, attributes, "/>"]
        _ -> ["<", name, attributes, ">", children, one(["", "t"]), "</", name, ">"]
      end
    )
  end

  defp steps do
    for _ <- 1..:rand.uniform(4) do
      {one([true, false, false]), one(["a", "b", "c", "*"]), predicates()}
    end
  end

  defp predicates do
    for _ <- 1..one([0, 0, 1, 2])//1 do
      one([{one(["x", "y"]), nil, nil}, {one(["x", "y"]), one([true, false]), one(["1", "2"])}])
    end
  end

  defp pieces(""), do: []

  defp pieces(document) do
    size = min(byte_size(document), :rand.uniform(20))
    <<piece::binary-size(size), rest::binary>> = document
    [piece | pieces(rest)]
  end

  defp one(choices), do: Enum.random(choices)
end
