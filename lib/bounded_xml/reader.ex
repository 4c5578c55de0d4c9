defmodule BoundedXml.Reader do
  @moduledoc false
  # Pulls parts from a source, feeds them to a native parser and hands its events on, batch by batch.
  # Behind the `Enumerable` of `BoundedXml.Stream`.

  alias Bounded.{Arena, Native}
  alias BoundedXml.{Errors, Nursery, Options, Progress, Recovery, Source}

  # `status` is what the parser said last: `:more` wants input, `:full` has events to give without any,
  # `:done` is closed. `built` is what it wants back of an element that is not finished.
  # The parser is made with the first part, so that a small document takes one call.
  # `read` counts the bytes read since the heap was collected. `progress` is of calls that gave nothing.
  defstruct [
    :source,
    :options,
    :path,
    :nursery,
    parser: nil,
    status: :more,
    built: [],
    read: 0,
    progress: Progress.new()
  ]

  # Consumed events are collected at the latest when so much was read.
  @collect_bytes 262_144

  @doc "Opens the source in the calling process."
  def open(source, options, path) do
    %__MODULE__{
      source: Source.open(source, options.max_ratio),
      options: options,
      path: path,
      nursery: %Nursery{}
    }
  end

  @doc "Folds the whole document with a function that never halts."
  def fold(reader, acc, fun) do
    case next(reader) do
      {events, reader} ->
        acc = fold_events(reader, events, acc, fun)
        fold(consumed(reader), acc, fun)

      :done ->
        {:done, acc}
    end
  end

  defp fold_events(reader, events, acc, fun) do
    :lists.foldl(fun, acc, events)
  catch
    kind, reason ->
      close(reader)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  @doc "Reduces what is left of `events` and of the document, as `Enumerable.reduce/3` does."
  def reduce(reader, events, {:cont, acc}, fun) do
    try do
      each(events, acc, fun)
    catch
      kind, reason ->
        close(reader)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      {:cont, acc} ->
        case next(consumed(reader)) do
          {events, reader} -> reduce(reader, events, {:cont, acc}, fun)
          :done -> {:done, acc}
        end

      {:halt, acc} ->
        reduce(reader, [], {:halt, acc}, fun)

      {:suspend, acc, events} ->
        reduce(reader, events, {:suspend, acc}, fun)
    end
  end

  def reduce(reader, events, {:suspend, acc}, fun) do
    reader = %{reader | nursery: Nursery.leave(reader.nursery)}
    {:suspended, acc, &reduce(reader, events, &1, fun)}
  end

  def reduce(reader, _events, {:halt, acc}, _fun) do
    close(reader)
    {:halted, acc}
  end

  defp each([], acc, _fun), do: {:cont, acc}

  defp each([event | events], acc, fun) do
    case fun.(event, acc) do
      {:cont, acc} -> each(events, acc, fun)
      {:halt, acc} -> {:halt, acc}
      {:suspend, acc} -> {:suspend, acc, events}
    end
  end

  defp consumed(%{status: status, read: read} = reader)
       when status == :full or read >= @collect_bytes,
       do: %{reader | nursery: Nursery.collect(reader.nursery), read: 0}

  defp consumed(reader), do: reader

  # The next batch that is not empty. Whatever it raises, everything is closed.
  defp next(%{status: :done} = reader) do
    Nursery.leave(reader.nursery)
    :done
  end

  defp next(%{status: :more} = reader) do
    case read(reader) do
      {{_, _, length} = part, last?, source} ->
        feed(%{reader | source: source, read: reader.read + length}, part, last?)

      :eof ->
        feed(%{reader | source: :eof}, {"", 0, 0}, true)
    end
  end

  defp next(%{status: :full} = reader), do: feed(reader, {"", 0, 0}, false)

  defp read(reader) do
    Source.next(reader.source, reader.options.chunk_bytes)
  catch
    kind, reason ->
      close(%{reader | source: :eof})
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp feed(%{parser: nil} = reader, {binary, offset, length}, last?) do
    setup = {Options.config(reader.options), reader.path}
    took(reader, charged(reader, fn -> Native.xml_open(setup, binary, offset, length, last?) end))
  end

  defp feed(%{parser: parser, built: built} = reader, {binary, offset, length}, last?) do
    took(
      reader,
      charged(reader, fn -> Native.xml_feed(parser, binary, offset, length, last?, built) end)
    )
  end

  defp took(reader, {:ok, {:full, [], built, parser}}) do
    case Progress.note(reader.progress, parser) do
      {:ok, progress} ->
        next(%{reader | status: :full, built: built, parser: parser, progress: progress})

      {:error, error} ->
        close(reader)
        raise error
    end
  end

  defp took(reader, {:ok, {status, events, built, parser}}) do
    reader = %{reader | status: status, built: built, parser: parser}

    case recovered(reader, events) do
      [] -> next(reader)
      events -> {events, reader}
    end
  end

  defp took(reader, {:error, reason}) do
    close(reader)
    raise Errors.exception(reason)
  end

  defp recovered(%{options: %{on_recover: nil}}, events), do: events

  defp recovered(reader, events) do
    Recovery.report(events, reader.options.on_recover)
  catch
    kind, reason ->
      close(reader)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp charged(reader, nif) do
    Arena.charged(nif)
  catch
    kind, reason ->
      close(reader)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  # The native side closes the parser of a document that ends.
  defp close(%{source: source, parser: parser, status: status, nursery: nursery}) do
    Nursery.leave(nursery)
    if parser != nil and status != :done, do: Native.xml_close(parser)
    Source.close(source)
  end
end
