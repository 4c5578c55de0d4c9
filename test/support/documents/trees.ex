defmodule Bounded.Test.Trees do
  @moduledoc false
  # Random trees, and their events, for what is written and read again.

  @names ["a", "b", "ns:c", "größe", "x-1.y", "_", "long-name-of-an-element-with-many-characters"]
  @texts [
    "text",
    " ",
    "\n",
    "a\r\nb\rc\td",
    "<&>\"'",
    "]]>",
    "ä€😀",
    "\uFFFD",
    "\uE000]]>\u0085",
    "x < y && y > z",
    "0123456789abcdef<"
  ]

  @doc "A tree of at most `depth` levels below the first. No two texts stand side by side."
  def tree(depth) do
    {one(@names), attributes(), depth |> children() |> apart()}
  end

  @doc "A text, of any length."
  def text do
    case :rand.uniform(60) do
      n when n < 6 -> String.duplicate(one(@texts), :rand.uniform(200))
      6 -> String.duplicate(one(@texts), 20_000)
      _ -> one(@texts) <> one(@texts ++ [""])
    end
  end

  defp attributes do
    names = Enum.take_random(@names ++ for(n <- 1..20, do: "k#{n}"), one([0, 0, 1, 2, 3, 17, 25]))
    for name <- names, do: {name, one(["", text()])}
  end

  defp children(0), do: one([[], [text()]])

  defp children(depth) do
    for _ <- 1..:rand.uniform(5)//1,
        do: if(:rand.uniform(3) == 1, do: text(), else: tree(depth - 1))
  end

  defp apart([a, b | rest]) when is_binary(a) and is_binary(b), do: apart([a | rest])
  defp apart([a | rest]), do: [a | apart(rest)]
  defp apart([]), do: []

  @doc "The events of a tree."
  def events(text) when is_binary(text), do: [{:characters, text}]

  def events({name, attributes, children}) do
    [{:start_element, {name, attributes}}] ++
      Enum.flat_map(children, &events/1) ++ [{:end_element, name}]
  end

  @doc "Texts side by side as one, places and cuts forgotten."
  def joined(events) do
    events
    |> Enum.chunk_by(&(is_tuple(&1) and elem(&1, 0) == :characters))
    |> Enum.flat_map(fn
      [{:characters, _} | _] = texts -> [{:characters, Enum.map_join(texts, &elem(&1, 1))}]
      events -> events
    end)
  end

  defp one(choices), do: Enum.random(choices)
end
