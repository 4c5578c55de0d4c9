defmodule Bounded.GuidesTest do
  # What the guides show works: examples run, livebooks run from top to bottom, links lead somewhere.
  use ExUnit.Case, async: false

  @pages ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "bench/README.md"] ++
           Path.wildcard("guides/*.{md,cheatmd,livemd}")

  for path <- Path.wildcard("guides/*.md"), File.read!(path) =~ ~r/^    iex>/m do
    doctest Module.concat(Bounded.Test.Guides, path |> Path.basename(".md") |> Macro.camelize())
  end

  for path <- Path.wildcard("guides/*.livemd") do
    test "the cells of #{path} run" do
      [_ | _] = cells = cells(unquote(path))

      ExUnit.CaptureIO.capture_io(fn ->
        Enum.reduce(cells, [], fn cell, binding ->
          {_, binding} = Code.eval_string(cell, binding, file: unquote(path))
          binding
        end)
      end)
    end
  end

  # Without the one that installs this package: here it is compiled already.
  defp cells(path) do
    for [_, cell] <- Regex.scan(~r/^```elixir\n(.*?)^```/ms, File.read!(path)),
        not String.starts_with?(cell, "Mix.install"),
        do: cell
  end

  # Their syntax: what they call may be the reader's own.
  test "code in fences is Elixir" do
    for path <- @pages, [_, code] <- Regex.scan(~r/^```elixir\n(.*?)^```/ms, File.read!(path)) do
      assert {:ok, quoted} = Code.string_to_quoted(code, file: path)
      {_, directives} = Macro.prewalk(quoted, [], &directives/2)
      assert Enum.filter(directives, &of_variable?/1) == [], path
    end
  end

  # No function can have the name of one.
  defp directives({name, _, [_ | _]} = call, found)
       when name in [:alias, :import, :require, :use],
       do: {call, [call | found]}

  defp directives(other, found), do: {other, found}

  defp of_variable?({_, _, [{_, _, context} | _]}), do: is_atom(context)
  defp of_variable?(_directive), do: false

  test "examples in the library's documentation import no variable" do
    for path <- Path.wildcard("lib/**/*.ex"),
        do: refute(File.read!(path) =~ ~r/\bimport\([a-z]/, path)
  end

  # At 220 words a minute. The design notes are a journal, and much of the page on migrating is code.
  test "a guide is read in five minutes" do
    pages = Path.wildcard("guides/*.md") -- ["guides/design_notes.md", "guides/migrating.md"]
    words = Map.new(pages, &{&1, &1 |> File.read!() |> String.split() |> length()})
    assert Map.filter(words, fn {_, words} -> words > 1_100 end) == %{}
  end

  test "texts of messages that the guide on errors quotes are those of the library" do
    [_, section] = Regex.run(~r/^## By the text.*?\n(.*?)^## /ms, File.read!("guides/errors.md"))
    texts = for [_, text] <- Regex.scan(~r/`([a-z]+ [^`]+)`/, section), do: text
    assert length(texts) > 10
    sources = for path <- Path.wildcard("lib/**/*.ex"), into: "", do: File.read!(path)
    assert Enum.reject(texts, &(sources =~ &1)) == []
  end

  test "files that pages name exist" do
    pages = ["SECURITY.md" | @pages] -- ["CHANGELOG.md", "bench/README.md"]
    file = ~r/`((?:lib|native|bench|test|bin|demo)\/[\w.\/-]+\.(?:exs?|rs|txt|csv))`/
    named = for page <- pages, [_, path] <- Regex.scan(file, File.read!(page)), do: {page, path}
    assert length(named) > 20
    assert Enum.reject(named, fn {_page, path} -> File.exists?(path) end) == []
  end

  test "links between pages lead to files and headings" do
    links = for path <- @pages, link <- links(path), do: {path, link}
    assert length(links) > 20
    assert Enum.reject(links, fn {path, link} -> leads_somewhere?(path, link) end) == []
  end

  defp links(path) do
    for [_, link] <- Regex.scan(~r/\]\(([^)\s]+)\)/, prose(path)),
        not (link =~ ~r/^(https?:|mailto:)/),
        do: link
  end

  # Without code, which may have brackets of its own.
  defp prose(path),
    do: path |> File.read!() |> String.replace(~r/^```.*?^```|^    .*?$|`[^`\n]*`/ms, "")

  defp leads_somewhere?(path, link) do
    {target, anchor} =
      case String.split(link, "#", parts: 2) do
        ["", anchor] -> {path, anchor}
        [target, anchor] -> {Path.join(Path.dirname(path), target), anchor}
        [target] -> {Path.join(Path.dirname(path), target), nil}
      end

    File.exists?(target) and (anchor == nil or anchor in anchors(target))
  end

  defp anchors(path) do
    for [_, heading] <- Regex.scan(~r/^#+ (.*)$/m, File.read!(path)) do
      heading
      |> String.downcase()
      |> String.replace(~r/[^\w\s-]/u, "")
      |> String.replace(" ", "-")
    end
  end
end
