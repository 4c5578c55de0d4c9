defmodule BoundedXml.Encode.Stream do
  @moduledoc false
  # What `BoundedXml.encode_stream/2` returns: a description. Each enumeration opens the source and a writer of its own.

  alias BoundedXml.Encode
  alias BoundedXml.Encode.Batches

  defstruct [:source, :setup, :root]

  # `encoder` is nil before the first call, `frames` are left of the last one. `last?`: the source is at its end.
  defmodule State do
    @moduledoc false
    defstruct [:batches, :setup, :root, encoder: nil, frames: [], last?: false, done?: false]
  end

  @doc "A stream with these options."
  def new(enumerable, opts) do
    setup = Encode.Options.setup!(opts, [:root])
    root = Encode.Options.root!(opts[:root])
    setup = if root, do: Encode.Options.without_auto(setup), else: setup
    %__MODULE__{source: enumerable, setup: setup, root: root}
  end

  @doc "Opens the source."
  def open(%__MODULE__{} = stream) do
    %State{
      batches: Batches.open(stream.source),
      setup: stream.setup,
      root: stream.root,
      frames: if(stream.root, do: [Encode.items([{:start_element, stream.root}])], else: [])
    }
  end

  @doc "The next pieces, perhaps none, or `:done`. Closes the source before it raises."
  def next(%State{done?: true}), do: :done

  def next(%State{frames: [_ | _]} = state), do: write(state)

  def next(%State{} = state) do
    case Batches.next(state.batches) do
      {items, batches} ->
        write(%{state | batches: batches, frames: [Encode.items(items)]})

      :done ->
        items = if state.root, do: [{:end_element, elem(state.root, 0)}], else: []

        write(%{
          state
          | batches: Batches.closed(),
            frames: [Encode.items(items)],
            last?: true
        })
    end
  end

  defp write(state) do
    {status, pieces, frames, encoder} = call(state)
    batches = Batches.written(state.batches, pieces)
    done? = status == :done and state.last?

    {Encode.in_order(pieces),
     %{state | batches: batches, encoder: encoder, frames: frames, done?: done?}}
  catch
    kind, reason ->
      close(state)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp call(%{encoder: nil, last?: true} = state) do
    {_, [], frames, encoder} = Encode.open(state.setup, [])
    Encode.next(encoder, state.frames ++ frames, true)
  end

  defp call(%{encoder: nil} = state), do: Encode.open(state.setup, state.frames)
  defp call(state), do: Encode.next(state.encoder, state.frames, state.last?)

  @doc "Ends the enumeration of the source, and gives the writer's memory back."
  def close(%State{} = state) do
    if state.encoder, do: Bounded.Native.xml_encode_close(state.encoder)
    Batches.close(state.batches)
  end

  defimpl Enumerable do
    alias BoundedXml.Encode.Stream, as: EncodeStream

    def reduce(_stream, {:halt, acc}, _fun), do: {:halted, acc}
    def reduce(stream, {:suspend, acc}, fun), do: {:suspended, acc, &reduce(stream, &1, fun)}

    def reduce(stream, {:cont, acc}, fun),
      do: pieces(EncodeStream.open(stream), [], {:cont, acc}, fun)

    defp pieces(state, _pieces, {:halt, acc}, _fun) do
      EncodeStream.close(state)
      {:halted, acc}
    end

    defp pieces(state, pieces, {:suspend, acc}, fun),
      do: {:suspended, acc, &pieces(state, pieces, &1, fun)}

    defp pieces(state, [], {:cont, acc}, fun) do
      case EncodeStream.next(state) do
        {pieces, state} -> pieces(state, pieces, {:cont, acc}, fun)
        :done -> {:done, acc}
      end
    end

    defp pieces(state, [piece | pieces], {:cont, acc}, fun) do
      result =
        try do
          fun.(piece, acc)
        catch
          kind, reason ->
            EncodeStream.close(state)
            :erlang.raise(kind, reason, __STACKTRACE__)
        end

      pieces(state, pieces, result, fun)
    end

    def count(_stream), do: {:error, __MODULE__}
    def member?(_stream, _element), do: {:error, __MODULE__}
    def slice(_stream), do: {:error, __MODULE__}
  end

  defimpl Inspect do
    # What is written may be huge, or secret.
    def inspect(_stream, _opts), do: "#BoundedXml.Encode.Stream<>"
  end
end
