defmodule Bounded.ShapeTest do
  # Keeps the source readable: short files, small folders, short functions.
  use ExUnit.Case, async: true

  @longest_file 400
  @largest_folder 14
  @longest_function 100

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
end
