defmodule Bounded.ShapeTest do
  # Keeps the source readable: short files, small folders, short functions.
  use ExUnit.Case, async: true

  # They list and read a thousand files, each by way of the VM's one file server, which waits for its turn on a busy machine.
  @moduletag timeout: 300_000

  @longest_file 400
  @largest_folder 14
  @longest_function 100
  @largest_circle 4

  # One loop, which says why it is one function.
  @long_functions ["skip_loop"]

  @root Path.expand("../..", __DIR__)

  @library ["lib/**/*.ex", "native/*/src/**/*.rs"]
  @tests [
    "{test,bench}/**/*.{ex,exs}",
    "native/*/{tests,fuzz_targets,examples}/**/*.rs"
  ]

  defp sources, do: Enum.flat_map(@library ++ @tests, &wildcard/1)

  defp wildcard(pattern), do: @root |> Path.join(pattern) |> Path.wildcard()

  defp lines(path), do: path |> File.read!() |> String.split("\n") |> length() |> Kernel.-(1)

  defp relative(path), do: Path.relative_to(path, @root)

  test "no file has more than #{@longest_file} lines" do
    assert sources() != []

    long = for path <- sources(), lines(path) > @longest_file, do: {relative(path), lines(path)}

    assert long == []
  end

  # The folders of `bench` are lists of measurements, one a file.
  test "no folder has more than #{@largest_folder} source files" do
    files = Enum.reject(sources(), &String.starts_with?(relative(&1), "bench/"))
    folders = Enum.frequencies_by(files, &Path.dirname/1)
    assert map_size(folders) > 30
    large = for {folder, count} <- folders, count > @largest_folder, do: {relative(folder), count}
    assert large == []
  end

  test "no function in Rust has more than #{@longest_function} lines" do
    long =
      for path <- sources(),
          Path.extname(path) == ".rs",
          {name, count} <- functions(path),
          count > @longest_function,
          name not in @long_functions,
          do: {relative(path), name, count}

    assert long == []
  end

  # `{name, lines}` of each function: from its head to the closing brace of the same indentation, as rustfmt writes it.
  defp functions(path) do
    lines = path |> File.read!() |> String.split("\n")

    for {line, index} <- Enum.with_index(lines),
        [_, indent, name] <- [
          Regex.run(~r/^( *)(?:pub(?:\([^)]*\))? )?(?:const |unsafe |extern "C" )*fn (\w+)/, line)
        ],
        length = lines |> Enum.drop(index) |> Enum.find_index(&(&1 == indent <> "}")),
        do: {name, length + 1}
  end

  test "no circle of files in Rust that use each other has more than #{@largest_circle}" do
    for crate <- wildcard("native/*/src") do
      files = Map.new(Path.wildcard(crate <> "/**/*.rs"), &{module(&1, crate), &1})
      assert map_size(files) > 5
      graph = :digraph.new()
      for {module, _} <- files, do: :digraph.add_vertex(graph, module)

      for {module, file} <- files,
          used <- uses(File.read!(file), module, files),
          used != module,
          do: :digraph.add_edge(graph, module, used)

      circles = :digraph_utils.cyclic_strong_components(graph)
      assert Enum.filter(circles, &(length(&1) > @largest_circle)) == []
    end
  end

  defp module(file, crate),
    do:
      file
      |> Path.relative_to(crate)
      |> Path.rootname()
      |> Path.split()
      |> Enum.reject(&(&1 in ~w(lib mod)))

  # What is shared stands below what uses it.
  test "lib/bounded uses no module of the other folders" do
    files = wildcard("lib/bounded/**/*.ex")
    assert length(files) > 20

    upward =
      for file <- files,
          [first | _] = name <- aliases(File.read!(file)),
          first in [:Quota, :BoundedBinary, :BoundedXml],
          do: {relative(file), Module.concat(name)}

    assert upward == []
  end

  # The names of modules in the code of a file, as they stand there: none of those in comments and strings.
  defp aliases(source) do
    {_ast, names} =
      source
      |> Code.string_to_quoted!()
      |> Macro.prewalk([], fn
        {:__aliases__, _, [first | _] = name} = node, names when is_atom(first) ->
          {node, [name | names]}

        node, names ->
          {node, names}
      end)

    names
  end

  test "aliases/1 finds the modules that code names" do
    source = """
    # Quota
    alias Quota.{Pool, Run}
    alias BoundedXml.Path, as: Other
    def f, do: {Quota.Pressure, "BoundedBinary"}
    """

    assert [[:Quota, :Pressure], [:Other], [:BoundedXml, :Path], [:Run], [:Pool], [:Quota]] =
             aliases(source)
  end

  # The modules of the crate that a file names by their path, except in its tests. The kernels of a processor have one more name.
  defp uses(source, module, files) do
    source =
      source |> String.split("#[cfg(test)]") |> hd() |> String.split("#[cfg(all(test") |> hd()

    source = Regex.replace(~r{//.*|pub\(in [^)]*\)}, source, "")

    imports =
      for [_, path] <- Regex.scan(~r/\buse\s+((?:crate|super|self)::[^;]*);/, source),
          do: expand(path)

    paths = for [path] <- Regex.scan(~r/\b(?:crate|super)(?:::\w+)+/, source), do: path

    for path <- List.flatten(imports) ++ paths,
        path = String.replace(path, "simd::kernels", "simd::x86_64"),
        found = named(absolute(String.split(path, "::"), module), files),
        do: found
  end

  # `a::{b, c::{d}}`: `a::b` and `a::c::d`.
  defp expand(path) do
    case Regex.run(~r/^(.*?)\{(.*)\}$/s, String.trim(path)) do
      [_, prefix, inside] -> for part <- parts(inside), do: expand(prefix <> part)
      nil -> path |> String.split(" ") |> hd()
    end
  end

  defp parts(inside),
    do:
      Regex.scan(~r/(?:[^,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+/, inside)
      |> List.flatten()
      |> Enum.map(&String.trim/1)
      |> Enum.reject(&(&1 == ""))

  defp absolute(["crate" | path], _module), do: path
  defp absolute(["self" | path], module), do: module ++ path
  defp absolute(["super" | path], module), do: absolute_above(path, Enum.drop(module, -1))
  defp absolute_above(["super" | path], above), do: absolute_above(path, Enum.drop(above, -1))
  defp absolute_above(path, above), do: above ++ path

  defp named([], _files), do: nil

  defp named(path, files),
    do: if(is_map_key(files, path), do: path, else: named(Enum.drop(path, -1), files))
end
