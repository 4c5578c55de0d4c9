defmodule BoundedXml.PathTest do
  use ExUnit.Case, async: true

  alias BoundedXml.Path

  defp wrong(path, namespaces? \\ false) do
    assert_raise(ArgumentError, fn -> Path.parse!(path, namespaces?) end).message
  end

  test "names between slashes, with or without one before them" do
    steps = [{false, nil, "rss"}, {false, nil, "channel"}, {false, nil, "item"}]
    assert Path.parse!("rss/channel/item", false) == steps
    assert Path.parse!("/rss/channel/item", true) == steps
  end

  test "stars and any depth" do
    assert Path.parse!("//item", false) == [{true, nil, "item"}]
    assert Path.parse!("*/item", false) == [{false, nil, nil}, {false, nil, "item"}]

    assert Path.parse!("a//*/x:b", false) ==
             [{false, nil, "a"}, {true, nil, nil}, {false, nil, "x:b"}]
  end

  test "names of any script" do
    assert Path.parse!("größe/名前", false) == [{false, nil, "größe"}, {false, nil, "名前"}]
  end

  test "what is wrong is pointed at" do
    assert wrong("größe/b[1]") =~
             ~r/"\[" is not part of a path.*\n\n    größe\/b\[1\]\n           \^\n/

    assert wrong("") =~ "must stand here"
    assert wrong("a/") =~ "\n    a/\n      ^\n"
    assert wrong("a///b") =~ "\n    a///b\n       ^\n"
    assert wrong("a/1b") =~ "\n    a/1b\n      ^\n"
    assert wrong("a b") =~ "\n    a b\n     ^\n"
    assert wrong(<<"a/", 255>>) =~ "UTF-8"
    assert wrong(Enum.map_join(1..64, "/", fn _ -> "a" end)) =~ "63 steps"
    assert wrong(:item) =~ ":item"
  end

  test "lists of steps tell namespaces apart" do
    assert Path.parse!([{"urn:x", "a"}, "b", {nil, "c"}, "*", {"urn:x", "*"}], true) ==
             [
               {false, "urn:x", "a"},
               {false, nil, "b"},
               {false, "", "c"},
               {false, nil, nil},
               {false, "urn:x", nil}
             ]

    assert Path.parse!(["//", "a"], true) == [{true, nil, "a"}]
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
end
