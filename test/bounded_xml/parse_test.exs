defmodule BoundedXml.ParseTest do
  use ExUnit.Case, async: true

  alias BoundedXml.ParseError

  @document "<?xml version='1.0'?><!-- c --><a x='1'>one<b>t<![CDATA[w]]>o</b><c/></a><!-- end -->\n"

  test "gives the tree that a selection of the root element gives, wherever the document is cut" do
    [tree] = @document |> BoundedXml.select("*") |> Enum.to_list()
    assert BoundedXml.parse(@document) == {:ok, tree}
    assert BoundedXml.parse!(@document) == tree

    for at <- 1..(byte_size(@document) - 1) do
      <<first::binary-size(at), second::binary>> = @document
      assert BoundedXml.parse([first, second]) == {:ok, tree}
    end

    assert BoundedXml.parse(for <<byte <- @document>>, do: <<byte>>) == {:ok, tree}
  end

  test "reads namespaces" do
    assert BoundedXml.parse("<p:a xmlns:p='urn:x'/>", namespaces: true) ==
             {:ok, {{"urn:x", "a"}, [{{"http://www.w3.org/2000/xmlns/", "p"}, "urn:x"}], []}}
  end

  test "what follows the root element is checked" do
    assert {:error, %ParseError{kind: :malformed}} = BoundedXml.parse("<a/><b/>")
    assert {:error, %ParseError{kind: :malformed}} = BoundedXml.parse("<a/>text")
    assert_raise ParseError, fn -> BoundedXml.parse!("<a/><!-- -- -->") end
  end

  test "a document that is cut short, or empty, is an error" do
    for document <- ["", " ", "<a>", "<a", "<a></a", "<!-- c -->"] do
      assert {:error, %ParseError{}} = BoundedXml.parse(document)
    end
  end

  test "a tree has a limit" do
    document = "<a>#{String.duplicate("x", 1_000)}</a>"
    assert {:ok, _tree} = BoundedXml.parse(document, max_record_bytes: 1_033)

    assert {:error, %ParseError{kind: :limit, limit: :max_record_bytes}} =
             BoundedXml.parse(document, max_record_bytes: 1_032)
  end

  test "options of other functions are refused" do
    for options <- [[roots: :many], [emit: [:comments]], [prefixes: %{"a" => "urn:a"}]] do
      assert_raise ArgumentError, ~r/unknown options/, fn -> BoundedXml.parse("<a/>", options) end
    end
  end

  test "what is not the document's fault is raised" do
    assert_raise File.Error, fn -> BoundedXml.parse({:file, "none.xml"}) end
    assert_raise ArgumentError, fn -> BoundedXml.parse(:none) end
  end

  @tag :tmp_dir
  test "compressed data that is damaged is an error", %{tmp_dir: dir} do
    path = Path.join(dir, "a.xml.gz")
    compressed = :zlib.gzip(@document)
    File.write!(path, compressed)
    assert {:ok, {"a", _, _}} = BoundedXml.parse({:file, path, [:compressed]})

    File.write!(path, binary_part(compressed, 0, byte_size(compressed) - 9))

    assert {:error, %BoundedBinary.DecodeError{}} = BoundedXml.parse({:file, path, [:compressed]})
  end
end
