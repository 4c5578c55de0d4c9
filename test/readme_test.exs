defmodule Bounded.ReadmeTest do
  # What README.md shows works as it stands. Its examples are doctests of `BoundedTest`; this runs every other block, and compares what
  # it says with the files that decide.
  use ExUnit.Case, async: true

  @readme File.read!("README.md")
  @config Mix.Project.config()

  defp blocks(language) do
    for [_, block] <- Regex.scan(~r/^```#{language}\n(.*?)^```/ms, @readme), do: block
  end

  test "has no block that nothing here runs" do
    fences = for [_, language] <- Regex.scan(~r/^```(\w*)\n.*?^```/ms, @readme), do: language
    assert Enum.sort(fences) == ~w(dockerfile elixir sh text)
  end

  test "its examples are those of the module Bounded, which run as doctests" do
    {:docs_v1, _, _, _, %{"en" => text}, _, _} = Code.fetch_docs(Bounded)
    prompt = ~r/^    iex>/m
    assert length(Regex.scan(prompt, text)) >= 3
    assert length(Regex.scan(prompt, text)) == length(Regex.scan(prompt, @readme))
  end

  test "the message that it shows is what its first example raises, but for the figures in use" do
    [block] = blocks("text")
    [_, code] = Regex.run(~r/iex> try do\n(.*?)\n +\.\.\.> rescue/s, @readme)
    code = String.replace(code, ~r/^ *\.\.\.>/m, "")
    error = assert_raise Quota.ExceededError, fn -> Code.eval_string(code) end
    shown = "** (Quota.ExceededError) " <> Exception.message(error)
    assert words(shown) == words(block)
  end

  defp words(text) do
    text
    |> String.replace(~r/\d[\d.,]* (bytes|KiB|MiB)/, "N")
    |> String.replace("limit of N", "limit of 8 MiB")
    |> String.split()
  end

  test "the dependency that it shows is one that Mix takes" do
    [block] = blocks("elixir")
    git = block |> Code.string_to_quoted!() |> deps()
    assert [{:bounded, [git: url]}] = git
    assert url == @config[:source_url] <> ".git"

    [_, path] = Regex.run(~r/# or: (.*)/, block)
    assert {[{:bounded, [path: "../bounded"]}], _} = Code.eval_string(path)
  end

  defp deps({:def, _, [{:deps, _, _}, [do: list]]}), do: list

  test "its commands are scripts of this project, and its shell is valid" do
    [block] = blocks("sh")
    commands = for line <- String.split(block, "\n", trim: true), do: hd(String.split(line))
    assert commands == ["bin/demo", "bin/test"]
    for command <- commands, do: assert(Bitwise.band(File.stat!(command).mode, 0o111) != 0)
    assert {"", 0} = System.cmd("sh", ["-n", "-c", block], stderr_to_stdout: true)
  end

  # What CI does in the same image.
  test "the image and the packages that it names are those of CI's job on Alpine" do
    [block] = blocks("dockerfile")
    lines = String.split(block, "\n", trim: true)
    assert length(lines) == 4
    workflow = ".github/workflows/ci.yml"

    # A package has no workflow: a clone has.
    if File.exists?(workflow) do
      [_, job] = Regex.run(~r/^  alpine:\n(.*?)^  \w+:\n/ms, File.read!(workflow))
      [_, image] = Regex.run(~r/^FROM (.*)$/m, block)
      assert job =~ "container: #{image}\n"
      [_, packages] = Regex.run(~r/apk add (.*?) &&/, block)
      [_, installed] = Regex.run(~r/apk add (.*?) &&/, job)
      assert String.split(packages) -- String.split(installed) == []
      assert block =~ "rustup-init -y" and job =~ "rustup-init -y"
    end
  end

  test "its version and what it needs are those of mix.exs and Cargo.toml" do
    assert [[_, version]] = Regex.scan(~r/This is version (\d+\.\d+\.\d+)/, @readme)
    assert version == @config[:version]

    installing = File.read!("guides/installing.md")
    [_, requirement] = Regex.run(~r/\{:bounded, "(~> .*?)"\}/, installing)
    assert Version.match?(@config[:version], requirement)

    "~> " <> elixir = @config[:elixir]
    [_, rust] = Regex.run(~r/^rust-version = "(.*)"/m, File.read!("Cargo.toml"))
    assert @readme =~ "Elixir #{elixir} and"
    assert installing =~ "| Elixir | #{elixir} or later"
    for text <- [@readme, installing], do: assert(text =~ "[Rust](https://rustup.rs) #{rust} or")
  end

  test "is not yet released as long as the changelog says so" do
    unreleased = File.read!("CHANGELOG.md") =~ "## #{@config[:version]} - unreleased"
    assert @readme =~ "not yet on Hex" == unreleased
  end

  test "its pictures are there, light and dark, and the chart says when and on what it was measured" do
    pictures = for [_, path] <- Regex.scan(~r/(?:src|srcset)="(.*?)"/, @readme), do: path
    assert length(pictures) == 4
    for path <- pictures, do: assert(File.read!(path) =~ "<svg")

    for path <- pictures,
        path =~ "speed",
        do: assert(File.read!(path) =~ ~r/20\d\d-\d\d-\d\d, .+;/)
  end

  # The chart's own figures, as the picture's text for who cannot see it.
  test "the text of a chart has the figures of its picture" do
    [_, alt] = Regex.run(~r/alt="(CPU time[^"]*)"/, @readme)
    figures = for [_, figure] <- Regex.scan(~r/ (\d+\.\d+)/, alt), do: figure
    assert length(figures) >= 6
    svg = File.read!("guides/images/speed-light.svg")
    for figure <- figures, do: assert(svg =~ ">#{figure}</text>")
  end
end
