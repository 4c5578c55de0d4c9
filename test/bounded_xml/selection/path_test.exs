defmodule BoundedXml.PathTest do
  use ExUnit.Case, async: true

  alias BoundedXml.Path

  # Steps without predicates, of a path that ends with an element.
  defp steps(path, namespaces?, prefixes \\ %{}) do
    {steps, nil} = Path.parse!(path, namespaces?, prefixes)
    for {depth?, uri, local, []} <- steps, do: {depth?, uri, local}
  end

  defp wrong(path, namespaces? \\ false) do
    assert_raise(ArgumentError, fn -> Path.parse!(path, namespaces?) end).message
  end

  test "names between slashes, with or without one before them" do
    steps = [{false, nil, "rss"}, {false, nil, "channel"}, {false, nil, "item"}]
    assert steps("rss/channel/item", false) == steps
    assert steps("/rss/channel/item", true) == steps
  end

  test "stars and any depth" do
    assert steps("//item", false) == [{true, nil, "item"}]
    assert steps("*/item", false) == [{false, nil, nil}, {false, nil, "item"}]

    assert steps("a//*/x:b", false) ==
             [{false, nil, "a"}, {true, nil, nil}, {false, nil, "x:b"}]
  end

  test "names of any script" do
    assert steps("größe/名前", false) == [{false, nil, "größe"}, {false, nil, "名前"}]
  end

  test "what is wrong is pointed at" do
    assert wrong("größe/b[1]") =~
             ~r/a condition is .*\n\n    größe\/b\[1\]\n           \^\n/

    assert wrong("") =~ "expected the name"
    assert wrong("a/") =~ "\n    a/\n      ^\n"
    assert wrong("a///b") =~ "\n    a///b\n       ^\n"
    assert wrong("a/1b") =~ "\n    a/1b\n      ^\n"
    assert wrong("a b") =~ "\n    a b\n     ^\n"
    assert wrong(<<"a/", 255>>) =~ "UTF-8"
    assert wrong(Enum.map_join(1..64, "/", fn _ -> "a" end)) =~ "63 steps"
    assert wrong(:item) =~ ":item"
  end

  test "lists of steps tell namespaces apart" do
    assert steps([{"urn:x", "a"}, "b", {nil, "c"}, "*", {"urn:x", "*"}], true) ==
             [
               {false, "urn:x", "a"},
               {false, nil, "b"},
               {false, "", "c"},
               {false, nil, nil},
               {false, "urn:x", nil}
             ]

    assert steps(["//", "a"], true) == [{true, nil, "a"}]
  end

  test "wrong lists of steps" do
    assert wrong(["a"]) =~ "namespaces: true"
    assert wrong([], true) =~ "got: []"
    assert wrong(["a", "//"], true) =~ "must follow"
    assert wrong(["a/b"], true) =~ "more than one step"
    assert wrong([""], true) =~ "empty"
    assert wrong([:a], true) =~ ":a is not a step"
    assert wrong(List.duplicate("a", 64), true) =~ "63 steps"
  end

  test "text, positions and the current element get the same hint" do
    hint = "Filter by text"

    for path <- ["r/text()", "./r", "../r", "@a", "r/[1]", "r)"],
        namespaces? <- [false, true] do
      assert wrong(path, namespaces?) =~ hint, path
      refute wrong("r/ b", namespaces?) =~ hint
    end

    for step <- ["@a", "text()", "i[1]", "."], do: assert(wrong([step], true) =~ hint, step)
  end

  test "steps that can never match are refused" do
    for step <- ["r b", "1a", "-a", "foo:bar", "a:b:c", ":a", <<255>>, <<"a", 255>>, "a\n"] do
      assert wrong([step], true) =~ "cannot read the path"
      assert wrong([{"urn:x", step}], true) =~ "cannot read the path"
    end

    assert wrong(["foo:bar"], true) =~ ~s({"its URI", "name"})
    assert wrong([{"u", "p:a"}], true) =~ ~s("p:a" is not the name of an element)
    assert wrong([{<<255>>, "a"}], true) =~ "not UTF-8"
    assert steps(["größe", {"urn:x", "名前"}, "a.b-c"], true) |> length() == 3
  end

  test "a prefix means what prefixes: says, and nothing without" do
    prefixes = %{"dc" => "urn:dc", "é" => "urn:e"}

    assert steps("a/dc:b//é:*/xml:c", true, prefixes) == [
             {false, nil, "a"},
             {false, "urn:dc", "b"},
             {true, "urn:e", nil},
             {false, "http://www.w3.org/XML/1998/namespace", "c"}
           ]

    assert wrong("things/foo:bar", true) =~ ~s(prefixes: %{"foo" => "its URI"})
    assert wrong("things/foo:bar", true) =~ ~s({"its URI", "bar"})
    assert wrong("things/foo:bar", true) =~ "\n    things/foo:bar\n           ^\n"
    assert wrong("a:b:c", true) =~ "more than one colon"
    assert wrong(":b", true) =~ "not a prefix and a name"
    assert wrong("b:", true) =~ "not a prefix and a name"
    # Without namespaces a name is what stands in the document.
    assert steps("things/foo:bar", false) == [
             {false, nil, "things"},
             {false, nil, "foo:bar"}
           ]
  end

  test "an attribute at the end" do
    assert Path.parse!("a/@b", false) == {[{false, nil, "a", []}], {"", "b"}}
    assert Path.parse!("//a/@x:b", false) == {[{true, nil, "a", []}], {"", "x:b"}}
    assert {_, {"urn:x", "b"}} = Path.parse!("a/@x:b", true, %{"x" => "urn:x"})
    assert {_, {"", "b"}} = Path.parse!("a/@b", true)

    assert {_, {"http://www.w3.org/XML/1998/namespace", "lang"}} =
             Path.parse!("a/@xml:lang", true)

    assert wrong("a/@b/c") =~ "ends with its attribute"
    assert wrong("a/@b/c") =~ "\n    a/@b/c\n        ^\n"
    assert wrong("a/@") =~ "name of an attribute"
    assert wrong("a//@b") =~ "expected the name of an element"
    assert wrong("a/@x:b", true) =~ "no URI"
  end

  test "conditions on attributes" do
    assert Path.parse!("a[@x]/b[@y='1'][@z != \"it's\"]", false) ==
             {[
                {false, nil, "a", [{"", "x", nil, nil}]},
                {false, nil, "b", [{"", "y", true, "1"}, {"", "z", false, "it's"}]}
              ], nil}

    assert {[{true, nil, nil, [{"", "a", true, "]/["}]}], nil} =
             Path.parse!("//*[@a=']/[']", false)

    assert {[{_, _, _, [{"urn:p", "a", nil, nil}]}], nil} =
             Path.parse!("r[@p:a]", true, %{"p" => "urn:p"})

    assert wrong("a[1]") =~ "\n    a[1]\n     ^\n"
    assert wrong("a[@x") =~ "expected ]"
    assert wrong("a[@x==1]") =~ "expected a value in quotes"
    assert wrong("a[@x=1]") =~ "expected a value in quotes"
    assert wrong("größe[@x='1]") =~ "\n    größe[@x='1]\n             ^\n"
    assert wrong("a[@x='1'") =~ "expected ]"
    assert wrong("a[@]") =~ "name of an attribute"
    assert wrong("a[@p:x]", true) =~ "no URI"
  end

  # The short version of bench/mutations.exs.
  test "a damaged path is selected by, or is an ArgumentError that says what is wrong" do
    counts = Enum.frequencies(for _ <- 1..2_000, do: Bounded.Test.Mutations.check(:path))
    assert counts[:accepted] > 100 and counts[:refused] > 100
  end
end
