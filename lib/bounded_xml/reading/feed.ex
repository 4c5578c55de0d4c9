defmodule BoundedXml.Feed do
  @moduledoc false
  # Feeds a native parser: the only loop over `Bounded.Native.xml_feed/6`, for `BoundedXml.Reader`, which reads a source, and
  # for `BoundedXml.Parser`, which is given bytes.

  alias Bounded.Native
  alias BoundedXml.{Errors, Progress}
  alias Quota.Account.Reservation

  # `setup` creates the parser together with the first part, so that a small document takes one call. `built` holds terms of
  # an unfinished element, which the last call returned and the next one takes back.
  defstruct [:setup, :parser, built: []]

  @nothing {"", 0, 0}

  @doc "Returns an empty part, for further events of the input that was fed before."
  def nothing, do: @nothing

  @doc "Returns a feed whose parser is created with the first part. `setup` is `{options, selection}`."
  def new(setup), do: %__MODULE__{setup: setup}

  @doc "Returns a feed of an existing parser."
  def resume(parser), do: %__MODULE__{parser: parser}

  @doc """
  Feeds the part `{binary, offset, length}` until there are events or the parser needs input. Returns
  `{status, events, feed}`: after `:more` the parser needs input, after `:full` it has further events without input, after
  `:done` it is closed. Or returns `{:error, exception}`, after which the parser is closed.

  Raises the errors of `Quota.Account.Reservation.charged/1`. If a part of the input was parsed by then, its events are lost and
  the parser is interrupted.
  """
  def next(feed, part, last?) do
    case Reservation.charged(fn -> call(feed, part, last?) end) do
      {:ok, {:full, [], built, parser}} ->
        again(%{feed | built: built, parser: parser}, last?, Progress.new())

      result ->
        result(feed, result)
    end
  end

  defp again(feed, last?, progress) do
    with {:ok, progress} <- Progress.note(progress, feed.parser) do
      case charged(feed, last?) do
        {:ok, {:full, [], built, _parser}} -> again(%{feed | built: built}, last?, progress)
        result -> result(feed, result)
      end
    end
  end

  defp charged(feed, last?) do
    Reservation.charged(fn -> call(feed, @nothing, last?) end)
  catch
    kind, reason ->
      Native.xml_interrupt(feed.parser)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp call(%{parser: nil, setup: setup}, {binary, offset, length}, last?),
    do: Native.xml_open(setup, binary, offset, length, last?)

  defp call(%{parser: parser, built: built}, {binary, offset, length}, last?),
    do: Native.xml_feed(parser, binary, offset, length, last?, built)

  defp result(feed, {:ok, {status, events, built, parser}}),
    do: {status, events, %{feed | built: built, parser: parser}}

  defp result(_feed, {:error, reason}), do: {:error, Errors.exception(reason)}

  @doc "Closes the parser, if one was created. The parser of a document that ended is closed already."
  def close(%{parser: nil}), do: :ok
  def close(%{parser: parser}), do: Native.xml_close(parser)
end
