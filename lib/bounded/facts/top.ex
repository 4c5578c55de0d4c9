defmodule Bounded.Facts.Top do
  @moduledoc false
  # The largest few of many items, without keeping the rest.

  defstruct [:size, items: []]

  def new(size), do: %__MODULE__{size: size}

  def add(%{items: items, size: size} = top, figure, value) do
    if length(items) < size or figure > elem(hd(items), 0) do
      items = [{figure, value} | items] |> List.keysort(0)
      %{top | items: if(length(items) > size, do: tl(items), else: items)}
    else
      top
    end
  end

  @doc "`[{figure, value}]`, largest first."
  def to_list(top), do: Enum.reverse(top.items)
end
