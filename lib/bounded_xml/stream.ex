defmodule BoundedXml.Stream do
  @moduledoc false
  # What `BoundedXml.stream/2` and `select/3` return: a description. Each enumeration opens the source
  # and a parser of its own, in the process that enumerates.

  defstruct [:source, :options, :path]

  defimpl Enumerable do
    alias BoundedXml.Reader

    def reduce(_stream, {:halt, acc}, _fun), do: {:halted, acc}

    def reduce(stream, {:suspend, acc}, fun),
      do: {:suspended, acc, &reduce(stream, &1, fun)}

    def reduce(stream, {:cont, acc}, fun) do
      stream.source
      |> Reader.open(stream.options, stream.path)
      |> Reader.reduce([], {:cont, acc}, fun)
    end

    def count(_stream), do: {:error, __MODULE__}
    def member?(_stream, _element), do: {:error, __MODULE__}
    def slice(_stream), do: {:error, __MODULE__}
  end

  defimpl Inspect do
    # The document itself may be huge, or secret.
    def inspect(%{source: source, path: path}, _opts) do
      kind = if path, do: "select", else: "stream"
      "#BoundedXml.Stream<#{kind} of #{describe(source)}>"
    end

    defp describe(source) when is_binary(source), do: "#{byte_size(source)} bytes"
    defp describe({:file, path}), do: inspect(path)
    defp describe(source) when is_list(source), do: "iodata"
    defp describe(_source), do: "an enumerable"
  end
end
