defmodule BoundedXml.Encode.Batches do
  @moduledoc false
  # Takes the items to be written from an enumerable in batches: a native call for each item would cost more than writing it.
  # A list, and the batches of a stream of this library, are passed on as they are. Any other enumerable is suspended after each
  # batch.

  alias BoundedXml.{Reader, Selection, Stream}

  # The maximum number of items in a batch, and the number in the first one. Later batches follow from the size of the last.
  @most 512
  @first 32
  # A tree counts as this many items, and this many bytes of text count as one item.
  @tree 16
  @text_bytes 128

  @doc "Opens `source`."
  def open(list) when is_list(list), do: {:list, list}

  def open(%Stream{} = stream) do
    # The functions of fields are called by the stream's own enumeration.
    if Selection.converter(stream.selection),
      do: enumerated(stream),
      else: {:reader, Reader.open(stream.source, stream.options, stream.selection)}
  end

  def open(enumerable), do: enumerated(enumerable)

  defp enumerated(enumerable),
    do:
      {:enumerable, &Enumerable.reduce(enumerable, &1, fn item, batch -> add(item, batch) end),
       @first}

  @doc "A closed source, which has no items."
  def closed, do: :closed

  @doc "The next batch, or `:done`."
  def next(:closed), do: :done
  def next({:list, list}), do: {list, :closed}

  def next({:reader, reader}) do
    case Reader.batch(reader) do
      {items, reader} -> {items, {:reader, reader}}
      :done -> :done
    end
  end

  def next({:enumerable, continue, most}) do
    case continue.({:cont, {[], most}}) do
      {:suspended, {items, _left}, continue} ->
        {:lists.reverse(items), {:enumerable, continue, most}}

      {_done_or_halted, {[], _left}} ->
        :done

      {_done_or_halted, {items, _left}} ->
        {:lists.reverse(items), :closed}
    end
  end

  @doc "The next batch is larger where nothing came of the last one, smaller where much did."
  def written({:enumerable, continue, most}, []),
    do: {:enumerable, continue, min(2 * most, @most)}

  def written({:enumerable, continue, most}, [_, _ | _]),
    do: {:enumerable, continue, max(div(most, 4), 1)}

  def written(batches, _pieces), do: batches

  @doc "Ends the enumeration."
  def close({:reader, reader}), do: Reader.close(reader)
  def close({:enumerable, continue, _most}), do: continue.({:halt, {[], 0}})
  def close(_batches), do: :ok

  defp add({:characters, text} = item, {items, left}) when byte_size(text) > @text_bytes,
    do: taken([item | items], left - div(byte_size(text), @text_bytes))

  defp add({_name, _attributes, _children} = item, {items, left}),
    do: taken([item | items], left - @tree)

  defp add(item, {items, left}), do: taken([item | items], left - 1)

  defp taken(items, left) when left > 0, do: {:cont, {items, left}}
  defp taken(items, left), do: {:suspend, {items, left}}
end
