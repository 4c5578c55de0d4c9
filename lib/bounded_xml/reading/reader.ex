defmodule BoundedXml.Reader do
  @moduledoc false
  # Implements the `Enumerable` of `BoundedXml.Stream`: pulls parts from a source, feeds them to a native parser and
  # passes its events on, batch by batch.

  alias BoundedXml.{Feed, HeapTuning, Recovery, Selection, Source}

  # `status` is that of the last call of `BoundedXml.Feed.next/3`. `read` counts the bytes read since the heap was collected.
  defstruct [
    :source,
    :options,
    :feed,
    :tuning,
    :collect_bytes,
    status: :more,
    read: 0
  ]

  # Consumed events are collected after at most this many bytes of input. Records of fields take little of the heap, so that they
  # are collected after more, once there is room for a batch.
  @collect_bytes 262_144
  @collect_bytes_of_fields 1_048_576

  @doc "Opens the source in the calling process."
  def open(source, options, selection) do
    %__MODULE__{
      source: Source.open(source, options.max_ratio),
      options: options,
      feed: Feed.new({options, selection && selection.native}),
      tuning: %HeapTuning{},
      collect_bytes: collect_bytes(selection)
    }
  end

  defp collect_bytes(selection) do
    if selection && Selection.only_fields?(selection),
      do: @collect_bytes_of_fields,
      else: @collect_bytes
  end

  @doc "The next batch of events that is not empty, or `:done`. Closes the source and the parser before it raises."
  def batch(reader), do: next(consumed(reader))

  @doc "Folds the whole document with a function that never halts."
  def fold(reader, acc, fun) do
    case next(reader) do
      {events, reader} ->
        acc = closing(reader, fn -> :lists.foldl(fun, acc, events) end)
        fold(consumed(reader), acc, fun)

      :done ->
        {:done, acc}
    end
  end

  @doc "Folds the document with a function that returns `{:cont, acc}`, or `{:halt, acc}` to stop."
  def handle(reader, acc, fun) do
    case next(reader) do
      {events, reader} ->
        case closing(reader, fn -> handle_each(events, acc, fun) end) do
          {:cont, acc} ->
            handle(consumed(reader), acc, fun)

          {:halt, acc} ->
            close(reader)
            acc
        end

      :done ->
        acc
    end
  end

  defp handle_each([], acc, _fun), do: {:cont, acc}

  defp handle_each([event | events], acc, fun) do
    case fun.(event, acc) do
      {:cont, acc} ->
        handle_each(events, acc, fun)

      {:halt, acc} ->
        {:halt, acc}

      other ->
        raise ArgumentError,
              "the function of BoundedXml.reduce/4 must return {:cont, acc} or {:halt, acc}, " <>
                "got: #{inspect(other, limit: 5, printable_limit: 40)}"
    end
  end

  @doc "Reduces the rest of `events` and of the document, like `Enumerable.reduce/3`."
  def reduce(reader, events, {:cont, _acc} = command, fun) do
    case closing(reader, fn -> each(events, command, fun) end) do
      {{:cont, acc}, []} ->
        case next(consumed(reader)) do
          {events, reader} -> reduce(reader, events, {:cont, acc}, fun)
          :done -> {:done, acc}
        end

      {command, events} ->
        reduce(reader, events, command, fun)
    end
  end

  def reduce(reader, events, {:suspend, acc}, fun) do
    reader = %{reader | tuning: HeapTuning.leave(reader.tuning)}
    {:suspended, acc, &reduce(reader, events, &1, fun)}
  end

  def reduce(reader, _events, {:halt, acc}, _fun) do
    close(reader)
    {:halted, acc}
  end

  defp each([event | events], {:cont, acc}, fun), do: each(events, fun.(event, acc), fun)

  defp each(events, {tag, _acc} = command, _fun) when tag in [:cont, :halt, :suspend],
    do: {command, events}

  defp consumed(%{status: :full} = reader), do: collect(reader)

  defp consumed(%{read: read} = reader) when read >= @collect_bytes do
    if read >= reader.collect_bytes or not HeapTuning.room?(reader.tuning),
      do: collect(reader),
      else: reader
  end

  defp consumed(reader), do: reader

  defp collect(reader), do: %{reader | tuning: HeapTuning.collect(reader.tuning), read: 0}

  # Returns the next batch that is not empty. Closes everything before it raises.
  defp next(%{status: :done} = reader) do
    HeapTuning.leave(reader.tuning)
    :done
  end

  defp next(%{status: :more} = reader) do
    case read(reader) do
      {{_, _, length} = part, last?, source} ->
        feed(%{reader | source: source, read: reader.read + length}, part, last?)

      :eof ->
        feed(%{reader | source: :eof}, Feed.nothing(), true)
    end
  end

  defp next(%{status: :full} = reader), do: feed(reader, Feed.nothing(), false)

  # The source has closed itself when it raises.
  defp read(%{source: source, options: %{chunk_bytes: bytes}} = reader),
    do: closing(%{reader | source: :eof}, fn -> Source.next(source, bytes) end)

  defp feed(reader, part, last?) do
    case closing(reader, fn -> Feed.next(reader.feed, part, last?) end) do
      {:error, error} ->
        close(reader)
        raise error

      {status, events, feed} ->
        reader = %{reader | status: status, feed: feed}

        case recovered(reader, events) do
          [] -> next(reader)
          events -> {events, reader}
        end
    end
  end

  defp recovered(%{options: %{on_recover: nil}}, events), do: events

  defp recovered(reader, events),
    do: closing(reader, fn -> Recovery.report(events, reader.options.on_recover) end)

  # Calls `work`, and closes everything before what it raises goes on.
  defp closing(reader, work) do
    work.()
  catch
    kind, reason ->
      close(reader)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  @doc "Ends the enumeration."
  def close(%{source: source, feed: feed, status: status, tuning: tuning}) do
    HeapTuning.leave(tuning)
    if status != :done, do: Feed.close(feed)
    Source.close(source)
  end
end
