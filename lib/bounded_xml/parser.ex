defmodule BoundedXml.Parser do
  @moduledoc """
  A parser that is fed: for sockets, and wherever bytes arrive rather than being asked for.

      iex> {:ok, parser} = BoundedXml.Parser.new()
      iex> BoundedXml.Parser.feed(parser, "<a>one</")
      {:ok, [{:start_document, []}, {:start_element, {"a", []}}, {:characters, "one"}]}
      iex> BoundedXml.Parser.feed(parser, "a>")
      {:ok, [{:end_element, "a"}]}
      iex> BoundedXml.Parser.finish(parser)
      {:ok, [{:end_document, {}}]}

  What it holds between calls (the unfinished token, names of open elements, declared entities) is
  charged to the quota of the process that called `new/1`, see `Quota.run/3`, and is given back by
  `finish/1`, after an error, or when nothing refers to the parser any more.

  A parser may be handed to another process, but only one can feed it at a time.
  """

  alias Bounded.{Arena, Native}
  alias BoundedXml.{Errors, Iodata, Options, ParseError, ParserError, Progress, Recovery}

  @enforce_keys [:ref]
  defstruct [:ref, :on_recover]

  @opaque t :: %__MODULE__{ref: reference, on_recover: nil | ({atom, String.t(), tuple} -> term)}
  @type error :: ParseError.t() | ParserError.t()

  @part_bytes 65_536

  @doc """
  A new parser, with the options of `BoundedXml.stream/2` but `:chunk_bytes`.

  For a stream of elements one after the other, such as stanzas from a socket, give `roots: :many`; with
  `doctype: :reject`, none of them may have a document type.

  Raises `ArgumentError` when an option is wrong, and `Quota.ExceededError` when the quota of the caller has no room for the
  14 KiB that a parser takes before it has read anything.
  """
  @spec new(keyword) :: {:ok, t}
  def new(opts \\ []) do
    options = Options.validate!(opts, :parser)
    config = Options.config(options)
    {:ok, ref} = Arena.charged(fn -> Native.xml_new({config, nil}) end)
    {:ok, %__MODULE__{ref: ref, on_recover: options.on_recover}}
  end

  @doc """
  Takes iodata of any size and gives the events that it completes.

  An error comes with the events before it; every later call gives the same error again. Raises
  `Quota.ExceededError` when the quota that the parser is charged to has no room; `ArgumentError` for
  what is not iodata. If the call had taken a part of its input by then, the events of that are lost, so the
  parser is closed: later calls give a `BoundedXml.ParserError` with the reason `:interrupted`. Otherwise the same can
  be fed again.
  """
  @spec feed(t, iodata) :: {:ok, [BoundedXml.event()]} | {:error, error, [BoundedXml.event()]}
  def feed(%__MODULE__{} = parser, iodata) do
    feed(parser, Iodata.new(iodata), [])
  end

  defp feed(parser, iodata, batches) do
    case Iodata.take(iodata, @part_bytes) do
      {:ok, part, rest} ->
        with {:ok, batches} <- parse(parser, part, false, batches),
             do: feed(parser, rest, batches)

      :none when batches == [] ->
        nothing(parser.ref)

      :none ->
        {:ok, events(batches)}

      {:invalid, term} ->
        if batches != [], do: Native.xml_interrupt(parser.ref)
        raise ArgumentError, "expected iodata, got: #{inspect(term, limit: 5)}"
    end
  end

  @doc """
  Says that nothing follows. The parser is closed; feeding it again is an error.
  """
  @spec finish(t) :: {:ok, [BoundedXml.event()]} | {:error, error, [BoundedXml.event()]}
  def finish(%__MODULE__{} = parser) do
    with {:ok, batches} <- parse(parser, {"", 0, 0}, true, []), do: {:ok, events(batches)}
  end

  @doc """
  How far the parser has read: line and column from 1, columns in characters, and the offset in bytes.
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

  defp parse(
         %{ref: ref, on_recover: on_recover} = parser,
         {binary, offset, length},
         last?,
         batches,
         built \\ [],
         progress \\ Progress.new()
       ) do
    nif = fn -> Native.xml_feed(ref, binary, offset, length, last?, built) end

    case charged(nif, ref, batches) do
      {:ok, {:full, [], built, _ref}} ->
        case Progress.note(progress, ref) do
          {:ok, progress} -> parse(parser, {"", 0, 0}, last?, taken(batches), built, progress)
          {:error, error} -> {:error, error, events(batches)}
        end

      {:ok, {:full, events, built, _ref}} ->
        events = Recovery.report(events, on_recover)
        parse(parser, {"", 0, 0}, last?, [events | batches], built)

      {:ok, {_more_or_done, events, _built, _ref}} ->
        {:ok, [Recovery.report(events, on_recover) | batches]}

      {:error, reason} ->
        {:error, Errors.exception(reason), events(batches)}
    end
  end

  # Nothing to take, which a parser that takes nothing any more says as well.
  defp nothing(ref) do
    case Native.xml_position(ref) do
      {:ok, _position} -> {:ok, []}
      {:error, reason} -> {:error, Errors.exception(reason), []}
    end
  end

  # Something was, even where there are no events yet.
  defp taken([]), do: [[]]
  defp taken(batches), do: batches

  # Nothing was taken before: what is refused can be fed again.
  defp charged(nif, _ref, []), do: Arena.charged(nif)

  # Whoever catches what is raised must not go on with a gap.
  defp charged(nif, ref, _batches) do
    Arena.charged(nif)
  catch
    kind, reason ->
      Native.xml_interrupt(ref)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp events([events]), do: events
  defp events(batches), do: batches |> Enum.reverse() |> Enum.concat()

  defimpl Inspect do
    def inspect(_parser, _opts), do: "#BoundedXml.Parser<>"
  end
end
