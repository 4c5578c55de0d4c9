# elixir seed.exs TARGET...: writes what fuzz targets begin with to seeded/TARGET, where it is not there yet. `bin/fuzz` runs
# it: a process for each of thousands of files would take minutes.
defmodule Seed do
  # No longer than what `bin/fuzz` has libFuzzer read.
  @longest 4096

  def write(target) do
    directory = Path.join("seeded", target)
    File.mkdir_p!(directory)
    there = directory |> File.ls!() |> MapSet.new()

    for {name, content} <- seeds(target), name not in there do
      File.write!(Path.join(directory, name), content.())
    end
  end

  # The recipes of src/progress.rs: each kind of token, a little longer than what the parser sees at once, read with raised
  # limits and with those that are set by default.
  defp seeds("progress") do
    for kind <- 0..79,
        flags <- 0..1,
        do: {"#{kind}-#{flags}", fn -> [kind, 17, 0, flags, 16, 1, 1] end}
  end

  # Terms of each kind, without the version byte. The header allows everything or nothing, and 4,080 bytes or 16.
  defp seeds("external_term") do
    terms = [
      :atom,
      -1,
      1.5,
      1_000_000_000_000_000_000_000,
      "short",
      :binary.copy("x", 100),
      <<5::3>>,
      ~c"string",
      [1, [2 | 3], []],
      {},
      {:a, {"b", [c: 1]}},
      %{"k" => %{1 => []}},
      Map.new(1..40, &{&1, &1}),
      self(),
      make_ref(),
      &String.length/1,
      fn -> self() end
    ]

    for {term, number} <- Enum.with_index(terms),
        {flags, limit} <- [{255, 255}, {0, 1}] do
      <<131, bytes::binary>> = :erlang.term_to_binary(term)
      {"#{number}-#{flags}", fn -> [flags, limit, number, bytes] end}
    end
  end

  # The documents in seeds, and the small ones of the suite that `bin/fetch-xmlconf` puts in place. A header of zeros means
  # default options; one of ones, most of the others.
  defp seeds(target) do
    suite = Path.wildcard("../../test/xmlconf/**/*.xml")
    small = Enum.filter(suite, &(File.stat!(&1).size <= @longest))

    for file <- Path.wildcard("seeds/*.xml") ++ small,
        name = Base.encode16(:erlang.md5(file), case: :lower),
        header <- 0..1,
        do: {"#{name}-#{header}", fn -> seed(target, header, File.read!(file)) end}
  end

  defp seed(target, header, document) when target in ["cuts", "encoding"],
    do: [header, header, 0, 255, "seed", document]

  defp seed("fields", header, document),
    do: [header, header, 0, 255, "seed", recipe(header), document]

  # The document's internal subset, or as good as.
  defp seed("dtd", header, document),
    do: [header, document |> :binary.split("[") |> List.last()]

  defp seed(_target, header, document), do: [header, document]

  # The recipes of src/fields.rs. Of the elements of the document's third name: the first text in it, all attributes, and in each child,
  # a record, all texts.
  defp recipe(0),
    do: [[4, 130, 0, 0], [16, 159, 0, 0], [3, 0, 0, 1], [16, 31, 0, 0], [18, 159, 0, 0]]

  # Of those of the second name in the first: texts and attributes, the first of each.
  defp recipe(1), do: [[1, 0, 1, 0], [16, 2, 0, 0], [1, 0, 0, 0], [1, 0, 0, 1], [16, 131, 0, 0]]
end

Enum.each(System.argv(), &Seed.write/1)
