defmodule Bounded.Test.TrackedSource do
  @moduledoc """
  An enumerable of chunks that tells the process which made it when it is opened and closed, and that
  can raise at its end.
  """

  defstruct [:chunks, :owner, :raising]

  def new(chunks, opts \\ []) do
    %__MODULE__{chunks: chunks, owner: self(), raising: opts[:raising]}
  end

  defimpl Enumerable do
    def reduce(source, acc, fun) do
      source
      |> Bounded.Test.TrackedSource.stream()
      |> Enumerable.reduce(acc, fun)
    end

    def count(_source), do: {:error, __MODULE__}
    def member?(_source, _chunk), do: {:error, __MODULE__}
    def slice(_source), do: {:error, __MODULE__}
  end

  @doc false
  def stream(%{chunks: chunks, owner: owner, raising: raising}) do
    Stream.resource(
      fn ->
        send(owner, :opened)
        chunks
      end,
      fn
        [] when raising != nil -> raise raising
        [] -> {:halt, []}
        [chunk | rest] -> {[chunk], rest}
      end,
      fn _rest -> send(owner, :closed) end
    )
  end
end
