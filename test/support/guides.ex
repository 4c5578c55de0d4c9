# Modules whose documentation is a guide, so that a test can run the guide's examples: `doctest_file/1` is new in Elixir 1.15.
for path <- Path.wildcard("guides/*.md") do
  text = File.read!(path)

  if text =~ ~r/^    iex>/m do
    name = Module.concat(Bounded.Test.Guides, path |> Path.basename(".md") |> Macro.camelize())

    contents =
      quote do
        @moduledoc unquote(text)
        @external_resource unquote(path)
      end

    Module.create(name, contents, file: path, line: 1)
  end
end

defmodule Bounded.Test.Guides do
  @moduledoc false
  read = fn -> for path <- Path.wildcard("guides/*.md"), do: {path, File.read!(path)} end
  @read :erlang.md5(:erlang.term_to_binary(read.()))

  @doc "Asked by Mix: whether a guide is new or was changed."
  def __mix_recompile__? do
    guides = for path <- Path.wildcard("guides/*.md"), do: {path, File.read!(path)}
    :erlang.md5(:erlang.term_to_binary(guides)) != @read
  end
end
