defmodule Bounded.Test.TreePaths do
  @moduledoc false
  # Follows paths in a whole document as a tree, element by element: what selections are compared with.
  #
  # A step is `{descendant?, name | "*", predicates}`, a predicate `{attribute, nil | equal?, value}`.

  @doc "Writes a path as `BoundedXml.select/3` takes it."
  def path(steps) do
    steps
    |> Enum.map_join(fn {descendant?, name, predicates} ->
      [if(descendant?, do: "//", else: "/"), name, Enum.map(predicates, &predicate/1)]
      |> IO.iodata_to_binary()
    end)
    |> String.replace_prefix("/", "")
    |> String.replace_prefix("/", "//")
  end

  defp predicate({name, nil, nil}), do: "[@#{name}]"
  defp predicate({name, true, value}), do: "[@#{name}='#{value}']"
  defp predicate({name, false, value}), do: "[@#{name}!=\"#{value}\"]"

  @doc """
  The elements at `steps` below `tree`, in document order, each as `{place, tree}`. `place` is the list of the numbers of the
  children that lead to it.
  """
  def find(tree, steps), do: tree |> below([]) |> follow(steps) |> Enum.uniq() |> Enum.sort()

  defp follow(nodes, []), do: nodes

  defp follow(nodes, [{descendant?, name, predicates} | rest]) do
    nodes
    |> Enum.flat_map(fn node -> if descendant?, do: descendants(node), else: [node] end)
    |> Enum.filter(fn {_place, {element, attributes, _}} ->
      name in ["*", element] and Enum.all?(predicates, &holds?(&1, attributes))
    end)
    |> case do
      found when rest == [] ->
        found

      found ->
        found |> Enum.flat_map(fn {place, tree} -> children(tree, place) end) |> follow(rest)
    end
  end

  # The root element is the only child of the document.
  defp below({:document, [], [root]}, []), do: [{[0], root}]
  defp below(tree, place), do: children(tree, place)

  @doc "The elements in `tree`, which is at `place`."
  def children({_name, _attributes, children}, place) do
    for {{_, _, _} = child, index} <- Enum.with_index(children), do: {place ++ [index], child}
  end

  defp descendants({place, tree}),
    do: [{place, tree} | Enum.flat_map(children(tree, place), &descendants/1)]

  defp holds?({name, equal?, value}, attributes) do
    case {List.keyfind(attributes, name, 0), equal?} do
      {nil, _} -> false
      {_found, nil} -> true
      {{_, found}, true} -> found == value
      {{_, found}, false} -> found != value
    end
  end

  @doc "Those that are in no other one."
  def outermost(found) do
    Enum.reject(found, fn {place, _} ->
      Enum.any?(found, fn {other, _} -> other != place and List.starts_with?(place, other) end)
    end)
  end

  @doc """
  The record at `place` in `document` as a map. A field is `{key, kind, steps, attribute | nil}` with the kind `:first`, `:all`,
  `:raw` or `:root`, or `{key, :records, steps, fields}`.
  """
  def record(document, node, fields, outer \\ nil) do
    {outer, _tree} = outer || node
    around = {document, outer}
    Map.new(fields, fn field -> {elem(field, 0), field(around, node, field)} end)
  end

  defp field({document, outer}, node, {_key, :records, steps, fields}) do
    for found <- node |> in_record(steps) |> outermost(),
        do: record(document, found, fields, {outer, nil})
  end

  defp field(_around, node, {_key, :all, steps, attribute}),
    do: values(in_record(node, steps), attribute)

  defp field(_around, node, {_key, :first, steps, attribute}),
    do: node |> in_record(steps) |> values(attribute) |> List.first()

  # Its source text, read again.
  defp field(_around, node, {_key, :raw, steps, nil}) do
    case in_record(node, steps) do
      [{_place, tree} | _] -> tree
      [] -> nil
    end
  end

  # Of the innermost element around the selected record that has the attribute.
  defp field({document, outer}, _node, {_key, :root, steps, attribute}) do
    document
    |> find(steps)
    |> Enum.filter(fn {around, _} -> List.starts_with?(outer, around) end)
    |> values(attribute)
    |> List.last()
  end

  defp in_record(node, []), do: [node]

  defp in_record({place, tree}, steps),
    do: tree |> children(place) |> follow(steps) |> Enum.uniq() |> Enum.sort()

  defp values(found, nil), do: for({_place, tree} <- found, do: text(tree))

  defp values(found, attribute) do
    for {_place, {_name, attributes, _}} <- found, {^attribute, value} <- attributes, do: value
  end

  defp text({_name, _attributes, children}), do: Enum.map_join(children, &text/1)
  defp text(text), do: text

  @doc "Writes a field as `BoundedXml.select/3` takes it."
  def field({key, :records, steps, fields}),
    do: {key, {:records, path(steps), Enum.map(fields, &field/1)}}

  def field({key, :raw, steps, nil}),
    do: {key, {:map, {:raw, path(steps, nil)}, &BoundedXml.parse!/1}}

  def field({key, :all, steps, attribute}), do: {key, {:all, path(steps, attribute)}}
  def field({key, :root, steps, attribute}), do: {key, "/" <> path(steps, attribute)}
  def field({key, :first, steps, attribute}), do: {key, path(steps, attribute)}

  defp path([], nil), do: "."
  defp path([], attribute), do: "@" <> attribute
  defp path(steps, nil), do: path(steps)
  defp path(steps, attribute), do: path(steps) <> "/@" <> attribute
end
