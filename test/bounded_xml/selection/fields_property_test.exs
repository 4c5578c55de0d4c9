defmodule BoundedXml.FieldsPropertyTest do
  use ExUnit.Case, async: true

  # Random fields of random documents, compared with a walk over the whole document as a tree.

  alias Bounded.Test.TreePaths

  @rounds 500

  @tag :native_speed
  test "random fields are what a walk over the tree finds, at any cut" do
    seed = {5, 6, System.os_time()}
    :rand.seed(:exsss, seed)

    for n <- 1..@rounds do
      document = element(5)
      {steps, fields} = steps_and_fields()
      [root] = select(document, "*", [])
      whole = {:document, [], [root]}

      expected =
        for node <- whole |> TreePaths.find(steps) |> TreePaths.outermost(),
            do: TreePaths.record(whole, node, fields)

      path = TreePaths.path(steps)
      asked = Enum.map(fields, &TreePaths.field/1)
      context = inspect({seed, n, document, path, asked}, limit: :infinity)
      assert select(document, path, fields: asked) == expected, context
      assert select(Stream.concat([pieces(document)]), path, fields: asked) == expected, context

      # With namespaces, trees have other names.
      if not raw?(fields),
        do: assert(select(document, path, fields: asked, namespaces: true) == expected, context)

      # Beside another path, and labelled.
      labelled = [x: {path, fields: asked}, none: "none"]
      assert Keyword.values(select(document, labelled, [])) == expected, context
    end
  end

  @tag :native_speed
  test "attributes that are records are those of the elements at their path" do
    :rand.seed(:exsss, {7, 8, System.os_time()})

    for _ <- 1..200 do
      document = element(4)
      [root] = select(document, "*", [])
      steps = steps(3)

      found =
        for {_, {_, attributes, _}} <- TreePaths.find({:document, [], [root]}, steps),
            {"x", x} <- attributes,
            do: x

      assert select(document, TreePaths.path(steps) <> "/@x", []) == found,
             inspect({document, steps})
    end
  end

  defp raw?(fields) do
    Enum.any?(fields, fn
      {_key, :records, _steps, fields} -> raw?(fields)
      {_key, kind, _steps, _attribute} -> kind == :raw
    end)
  end

  defp select(source, path, opts), do: source |> BoundedXml.select(path, opts) |> Enum.to_list()

  defp element(depth) do
    name = one(["a", "b", "c"])

    attributes =
      for name <- ["x", "y"],
          one([true, false]),
          do: [" ", name, "='", one(["1", "2", "&lt;"]), "'"]

    count = if depth == 0, do: 0, else: :rand.uniform(4) - 1
    children = for _ <- 1..count//1, do: [text(), element(depth - 1)]

    IO.iodata_to_binary(
      case {children, one([1, 2])} do
        {[], 1} -> ["<", name, attributes, "/>"]
        _ -> ["<", name, attributes, ">", children, text(), "</", name, ">"]
      end
    )
  end

  defp text,
    do:
      one([
        "",
        "",
        "",
        "text",
        " ",
        "ä&amp;",
        "<![CDATA[<x>]]>",
        "<!-- c -->",
        String.duplicate("long ", 20)
      ])

  defp fields(nested) do
    for {key, _} <- Enum.zip([:f, :g, :h, :i, :j], 1..:rand.uniform(5)), do: field(key, nested)
  end

  defp field(key, nested) do
    case :rand.uniform(if(nested > 0, do: 9, else: 7)) do
      kind when kind in 1..3 -> {key, :first, steps(0, 3), one([nil, nil, "x", "y"])}
      kind when kind in 4..5 -> {key, :all, steps(0, 3), one([nil, nil, "x"])}
      7 -> {key, :raw, steps(0, 3), nil}
      6 -> {key, :root, [{false, one(["a", "b", "*"]), []} | steps(0, 2)], one(["x", "y"])}
      _ -> {key, :records, steps(1, 2), fields(nested - 1)}
    end
  end

  # With another path beside them, as below. Those with more beginnings than a selection may have are drawn again.
  defp steps_and_fields do
    {steps, fields} = {steps(2), fields(2)}
    asked = Enum.map(fields, &TreePaths.field/1)
    BoundedXml.select("<a/>", x: {TreePaths.path(steps), fields: asked}, none: "none")
    {steps, fields}
  rescue
    error in ArgumentError ->
      if error.message =~ "different beginnings",
        do: steps_and_fields(),
        else: reraise(error, __STACKTRACE__)
  end

  defp steps(least, most), do: for(_ <- 1..one(Enum.to_list(least..most))//1, do: step())
  defp steps(most), do: steps(1, most)

  defp step, do: {one([true, false, false]), one(["a", "b", "c", "*"]), predicates()}

  defp predicates do
    for _ <- 1..one([0, 0, 0, 1])//1 do
      one([{one(["x", "y"]), nil, nil}, {one(["x", "y"]), one([true, false]), one(["1", "2"])}])
    end
  end

  defp pieces(""), do: []

  defp pieces(document) do
    size = min(byte_size(document), :rand.uniform(one([3, 20, 60])))
    <<piece::binary-size(size), rest::binary>> = document
    [piece | pieces(rest)]
  end

  defp one(choices), do: Enum.random(choices)
end
