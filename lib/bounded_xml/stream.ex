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
      reader = Reader.open(stream.source, stream.options, stream.path)

      case folded(fun) do
        {:ok, fold} -> Reader.fold(reader, acc, fold)
        :error -> Reader.reduce(reader, [], {:cont, acc}, fun)
      end
    end

    # `Enum.reduce/3` wraps its function in one that never halts: unwrapped, it is called for a batch of
    # events at a time, which saves a tenth of the time of a whole parse. Not recognised, as another
    # release of Elixir may write it differently, it is called like any other.
    defp folded(fun) do
      with {:module, Enum} <- :erlang.fun_info(fun, :module),
           {:name, name} <- :erlang.fun_info(fun, :name),
           "-reduce/3-" <> _ <- Atom.to_string(name),
           {:env, [fold]} when is_function(fold, 2) <- :erlang.fun_info(fun, :env) do
        {:ok, fold}
      else
        _another -> :error
      end
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
    defp describe({:file, path, _options}), do: inspect(path)
    defp describe(source) when is_list(source), do: "iodata"
    defp describe(_source), do: "an enumerable"
  end
end
