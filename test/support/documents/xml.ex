defmodule Bounded.Test.Xml do
  @moduledoc false
  # Helpers of the XML tests, and where the corpus of real documents lies.

  @doc "Everything an enumerable gives before it ends or raises, and what it raised or nil."
  def collect(enumerable) do
    key = make_ref()

    raised =
      try do
        Enum.each(enumerable, &Process.put(key, [&1 | Process.get(key, [])]))
        nil
      rescue
        error -> error
      end

    {key |> Process.delete() |> List.wrap() |> Enum.reverse(), raised}
  end

  @doc "The events and the error of a source."
  def events(source, opts \\ []), do: source |> BoundedXml.stream(opts) |> collect()

  @doc "Cuts a binary into pieces of `size` bytes."
  def cut(binary, size) do
    for offset <- 0..max(byte_size(binary) - 1, 0)//size do
      binary_part(binary, offset, min(size, byte_size(binary) - offset))
    end
  end

  @doc "Where the corpus is: `BOUNDED_CORPUS`, or beside the project."
  def corpus do
    System.get_env("BOUNDED_CORPUS") || Path.expand("../shared/corpus", File.cwd!())
  end
end
