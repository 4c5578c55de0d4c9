defmodule BoundedXml.Parser do
  @moduledoc since: "0.1.0"
  @moduledoc """
  A push parser: the caller feeds it bytes as they arrive, for example from a socket.

      iex> {:ok, parser} = BoundedXml.Parser.new()
      iex> BoundedXml.Parser.feed(parser, "<a>one</")
      {:ok, [{:start_document, []}, {:start_element, {"a", []}}, {:characters, "one"}]}
      iex> BoundedXml.Parser.feed(parser, "a>")
      {:ok, [{:end_element, "a"}]}
      iex> BoundedXml.Parser.finish(parser)
      {:ok, [{:end_document, {}}]}

  Between calls the parser keeps the unfinished token, the names of open elements and the declared entities. This memory
  is charged to the quota of the process that called `new/1`, see `Quota.run/3`. It is released by `finish/1`, after an
  error, or when the parser is garbage-collected.

  A parser may be sent to another process, but only one process can feed it at a time.

  ## Records

  With `select:`, which takes what `BoundedXml.select/3` takes as its path, a parser gives records instead of events: each selected
  element as a tree, or as its options say, as soon as it ends. What is built of an unfinished one is part of the parser, so `feed/2` returns the
  parser for the next call:

      iex> {:ok, parser} = BoundedXml.Parser.new(select: "stream/*", max_record_bytes: 65_536)
      iex> {:ok, [], parser} = BoundedXml.Parser.feed(parser, "<stream to='a'><message><bo")
      iex> {:ok, records, parser} = BoundedXml.Parser.feed(parser, "dy>Hi</body></message><presence/>")
      iex> records
      [{"message", [], [{"body", [], ["Hi"]}]}, {"presence", [], []}]
      iex> BoundedXml.Parser.feed(parser, "<iq/></stream")
      ...> |> elem(1)
      [{"iq", [], []}]

  With `:fields` they are maps, and with `as: :raw` the elements' own texts, see `BoundedXml.Selection`:

      iex> {:ok, parser} = BoundedXml.Parser.new(select: "r/item", fields: [id: {:map, "@id", &String.to_integer/1}, text: "."])
      iex> {:ok, [], parser} = BoundedXml.Parser.feed(parser, "<r><item id='1'>one</it")
      iex> {:ok, records, _parser} = BoundedXml.Parser.feed(parser, "em><item id='2'/>")
      iex> records
      [%{id: 1, text: "one"}, %{id: 2, text: ""}]

  When the function of a field raises, the error is a `BoundedXml.FieldError`, with the records before it. The parser is then closed:
  later calls return a `BoundedXml.ParserError` with the reason `:interrupted`, and `restart/1` begins anew.

  `:max_record_bytes`, `:max_record_elements` and `:max_record_depth` limit one record, see `BoundedXml.Limits`. A record beyond one of them
  is an error that names it. `:max_token_bytes` and `:max_attribute_bytes` limit what is kept of a tag that has not ended.

  Where the peer begins its document anew, as in XMPP after TLS and after authentication, `restart/1` does so.
  """

  alias Bounded.Native

  alias BoundedXml.{
    Errors,
    FieldError,
    Feed,
    Options,
    ParseError,
    ParserError,
    Recovery,
    Selection
  }

  alias BoundedXml.Source.Iodata

  # `built` is what the last call built of an unfinished record, `progress` tells whether another call was made since.
  @enforce_keys [:ref, :options]
  defstruct [:ref, :options, :selection, :progress, built: []]

  @typedoc "A parser, or what is left of it after `finish/1` or an error."
  @opaque t :: %__MODULE__{
            ref: reference,
            options: struct,
            selection: term,
            progress: nil | non_neg_integer,
            built: term
          }
  @typedoc "What `feed/2` and `finish/1` return as an error."
  @type error :: ParseError.t() | ParserError.t() | FieldError.t()
  @typedoc """
  A record as `BoundedXml.select/3` gives it: a tree, a map of fields, a string, or a tuple of it and its key, position or byte offsets.
  """
  @type selected :: BoundedXml.tree() | map | String.t() | tuple

  @part_bytes 65_536

  @doc """
  Returns a new parser. Takes the options of `BoundedXml.stream/2`, except `:chunk_bytes` and `:max_ratio`.

  With `select:` it gives records. It then takes the options of `BoundedXml.select/3`, except `:chunk_bytes` and `:max_ratio`.

  For a stream of elements that follow each other, such as stanzas from a socket, pass `roots: :many`. With
  `doctype: :reject`, none of them may have a document type.

  Raises `ArgumentError` for an invalid option, and `Quota.ExceededError` when the quota of the caller has no room for the
  14 KiB that a new parser takes.
  """
  @spec new(keyword) :: {:ok, t}
  def new(opts \\ []) do
    Quota.Options.keyword!(opts)

    case Keyword.pop(opts, :select) do
      {nil, opts} ->
        start(Options.validate!(opts, :parser), nil)

      {path, opts} ->
        options = Options.validate!(opts, :record_parser)
        start(options, Selection.parse!(path, options))
    end
  end

  defp start(options, selection) do
    setup = {options, selection && selection.native}
    {:more, [], feed} = Feed.next(Feed.new(setup), Feed.nothing(), false)
    {:ok, fed(%__MODULE__{ref: feed.parser, options: options, selection: selection}, feed)}
  end

  @doc """
  Ends the document wherever it is, gives the memory of the parser back, and returns a parser with the same options for the
  document that comes instead.

      iex> {:ok, parser} = BoundedXml.Parser.new(select: "stream/*")
      iex> {:ok, [{"auth", [], []}], parser} = BoundedXml.Parser.feed(parser, "<stream><auth/>")
      iex> {:ok, parser} = BoundedXml.Parser.restart(parser)
      iex> {:ok, [{"bind", [], []}], _parser} = BoundedXml.Parser.feed(parser, "<?xml version='1.0'?><stream><bind/>")

  It forgets all that it was given before: an unfinished record and an error too. Raises what `new/1` raises.
  """
  @spec restart(t) :: {:ok, t}
  def restart(%__MODULE__{} = parser) do
    Native.xml_close(parser.ref)
    start(parser.options, parser.selection)
  end

  @doc """
  Parses iodata of any size and returns the events that it completes: `{:ok, events}`. A parser of records returns
  `{:ok, records, parser}`, and the next call takes that parser.

  An error comes with the events or records before it. Every later call returns the same error.

  Raises `Quota.ExceededError` when the quota to which the parser is charged has no room, and `ArgumentError` for a term
  that is not iodata. If the call had parsed a part of its input by then, the events of that part are lost and the parser is
  closed: later calls return a `BoundedXml.ParserError` with the reason `:interrupted`. Otherwise the parser is unchanged
  and the caller can feed it again. What the function of `:on_recover` raises closes the parser in the same way.
  """
  @spec feed(t, iodata) ::
          {:ok, [BoundedXml.event()]}
          | {:ok, [selected], t}
          | {:error, error, [BoundedXml.event() | selected]}
  def feed(%__MODULE__{} = parser, iodata) do
    with :ok <- fresh(parser) do
      case feed(parser, resumed(parser), Iodata.new(iodata), []) do
        {:ok, batches, feed} ->
          with {:ok, events} <- converted(parser, events(batches)),
               do: answer(fed(parser, feed), events)

        error ->
          with_converted(error, parser)
      end
    end
  end

  # An error, with the records before it as the caller receives them.
  defp with_converted({:error, error, records}, parser) do
    with {:ok, records} <- converted(parser, records), do: {:error, error, records}
  end

  # The records after the functions of their fields were called, or the error of one of these.
  defp converted(%{selection: selection, ref: ref}, records) do
    case Selection.converter(selection) do
      nil -> {:ok, records}
      convert -> each(records, convert, ref, [])
    end
  end

  defp each([], _convert, _ref, done), do: {:ok, Enum.reverse(done)}

  defp each([record | records], convert, ref, done) do
    case attempt(record, convert, ref) do
      {:ok, record} -> each(records, convert, ref, [record | done])
      {:error, error} -> {:error, error, Enum.reverse(done)}
    end
  end

  # Closes the parser before it goes on, like `next/4`: the records behind this one are lost.
  defp attempt(record, convert, ref) do
    {:ok, convert.(record)}
  rescue
    error in FieldError ->
      Native.xml_interrupt(ref)
      {:error, error}
  catch
    kind, reason ->
      Native.xml_interrupt(ref)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp answer(%{selection: nil}, events), do: {:ok, events}
  defp answer(parser, records), do: {:ok, records, parser}

  defp feed(parser, feed, iodata, batches) do
    case Iodata.take(iodata, @part_bytes) do
      {:ok, part, rest} ->
        with {:ok, batches, feed} <- parse(feed, parser.options.on_recover, part, false, batches),
             do: feed(parser, feed, rest, batches)

      :none when batches == [] ->
        with {:ok, []} <- nothing(parser.ref), do: {:ok, [[]], feed}

      :none ->
        {:ok, batches, feed}

      {:invalid, term} ->
        if batches != [], do: Native.xml_interrupt(parser.ref)
        raise ArgumentError, "expected iodata, got: #{inspect(term, limit: 5)}"
    end
  end

  @doc """
  Ends the document and closes the parser. Feeding it again is an error.
  """
  @spec finish(t) ::
          {:ok, [BoundedXml.event() | selected]}
          | {:error, error, [BoundedXml.event() | selected]}
  def finish(%__MODULE__{} = parser) do
    with :ok <- fresh(parser) do
      case parse(resumed(parser), parser.options.on_recover, Feed.nothing(), true, []) do
        {:ok, batches, _feed} -> converted(parser, events(batches))
        error -> with_converted(error, parser)
      end
    end
  end

  # What is built of a record belongs to one state of the native parser.
  defp fresh(%{selection: nil}), do: :ok

  defp fresh(%{ref: ref, progress: progress}) do
    case Native.xml_progress(ref) do
      now when is_integer(now) and now != progress ->
        {:error, %ParserError{reason: :stale}, []}

      _same_or_closed ->
        :ok
    end
  end

  defp resumed(%{ref: ref, built: built}), do: %{Feed.resume(ref) | built: built}

  defp fed(%{selection: nil} = parser, _feed), do: parser

  defp fed(parser, feed),
    do: %{parser | built: feed.built, progress: Native.xml_progress(parser.ref)}

  @doc """
  Returns the position up to which the parser has read: line and column from 1, columns in characters, and the offset in
  bytes.

      iex> {:ok, parser} = BoundedXml.Parser.new()
      iex> {:ok, _events} = BoundedXml.Parser.feed(parser, "<a>\\n<b/>")
      iex> BoundedXml.Parser.position(parser)
      {:ok, %{line: 2, column: 5, byte_offset: 8}}
  """
  @spec position(t) ::
          {:ok, %{line: pos_integer, column: pos_integer, byte_offset: non_neg_integer}}
          | {:error, error}
  def position(%__MODULE__{ref: ref}) do
    case Native.xml_position(ref) do
      {:ok, {line, column, byte_offset}} ->
        {:ok, %{line: line, column: column, byte_offset: byte_offset}}

      {:error, reason} ->
        {:error, Errors.exception(reason)}
    end
  end

  defp parse(feed, on_recover, part, last?, batches) do
    case next(feed, part, last?, batches) do
      {:error, error} ->
        {:error, error, events(batches)}

      {:full, events, feed} ->
        events = reported(events, on_recover, feed)
        parse(feed, on_recover, Feed.nothing(), last?, [events | batches])

      {_more_or_done, events, feed} ->
        {:ok, [reported(events, on_recover, feed) | batches], feed}
    end
  end

  defp reported(events, nil, _feed), do: events

  # Closes the parser before what the function raises goes on, like `next/4`.
  defp reported(events, on_recover, feed) do
    Recovery.report(events, on_recover)
  catch
    kind, reason ->
      Native.xml_interrupt(feed.parser)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  # Empty input: returns no events, or the error of a closed parser.
  defp nothing(ref) do
    case Native.xml_position(ref) do
      {:ok, _position} -> {:ok, []}
      {:error, reason} -> {:error, Errors.exception(reason), []}
    end
  end

  # Nothing was parsed yet, so refused input can be fed again.
  defp next(feed, part, last?, []), do: Feed.next(feed, part, last?)

  # Closes the parser before it raises, so that a caller that rescues does not go on without the lost events.
  defp next(feed, part, last?, _batches) do
    Feed.next(feed, part, last?)
  catch
    kind, reason ->
      Native.xml_interrupt(feed.parser)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp events([events]), do: events
  defp events(batches), do: batches |> Enum.reverse() |> Enum.concat()

  defimpl Inspect do
    def inspect(_parser, _opts), do: "#BoundedXml.Parser<>"
  end
end
