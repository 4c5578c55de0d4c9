defmodule Mix.Tasks.Bench do
  @shortdoc "Measures BoundedXml, against its rivals and against its limits"
  @moduledoc """
  Measures BoundedXml.

      mix bench [SECTION...] [--mb 16] [--rounds 5] [--only saxy,exml] [--samples DIRECTORY]

  Sections, all of them by default: `speed` (us and every rival that is there, in turns), `select`
  (selections, and where the time goes), `fields` (records of fields, against trees, the full stream and
  Saxy), `encode` (writing, us and every rival that is there), `memory` (growth of the VM over 10 MB and
  1 GB), `calls` (the longest call of a NIF; with MIX_ENV=test), `crowd` (a thousand parsers at once, and documents of 1 KB).

  `--mb` is the size of generated documents; `--samples` a directory of real documents to measure as
  well; `--no-results` leaves `results/` alone. Otherwise `results/DATE-bench.html` is one page with the tables and charts of the run,
  the machine and the versions of all libraries.
  """
  use Mix.Task

  alias Bench.{Calls, Chart, Contender, Crowd, Document, Encode, Files, Machine, Memory, Report}
  alias Bench.{Fields, Page, Select, Speed}

  @sections ~w(speed select fields encode memory calls crowd)
  @switches [mb: :integer, rounds: :integer, only: :string, samples: :string, results: :boolean]
  @defaults [mb: 16, rounds: 5, results: true]

  @impl true
  def run(arguments) do
    {options, sections} = OptionParser.parse!(arguments, strict: @switches)
    options = Keyword.merge(@defaults, options)
    sections = if sections == [], do: @sections, else: sections

    case sections -- @sections do
      [] ->
        :ok

      unknown ->
        Mix.raise("no such section: #{inspect(unknown)}; there are #{inspect(@sections)}")
    end

    Mix.Task.run("app.start")
    IO.puts(Machine.describe())

    texts =
      for section <- @sections, section in sections do
        IO.puts("\n#{section}")
        text = Files.with_directory(&section(section, &1, options)) |> IO.chardata_to_string()
        IO.puts(text)
        if options[:results], do: keep(section, text)
        {section, text}
      end

    if options[:results], do: page(texts)
  end

  @lock Path.expand("../../../../Cargo.lock", __DIR__)

  defp page(texts) do
    sections =
      for {section, text} <- texts, svg = Files.result(section) <> ".svg" do
        # The chart of the speed section, which that section has just drawn.
        {section, text,
         if(section == "speed" and File.exists?(svg), do: [File.read!(svg)], else: [])}
      end

    date = Date.to_iso8601(Date.utc_today())
    versions = Page.versions(File.read!(@lock))
    path = Files.result("bench") <> ".html"
    File.write!(path, Page.html(date, Machine.describe(), versions, sections))
    IO.puts("\n#{path}")
  end

  defp section("speed", directory, options) do
    contenders = options[:only] |> contenders() |> Contender.available()
    rows = Speed.generated(directory, options[:mb], options[:rounds], contenders)
    samples = samples(options[:samples], options[:rounds], contenders)
    if options[:results], do: results(rows, samples)

    [
      ["Generated, #{options[:mb]} MB each, median of #{options[:rounds]} rounds\n\n"],
      [Report.throughput(rows), "\nRatios of CPU time\n\n", Report.table(rows)],
      if(samples == [], do: [], else: ["\nReal documents\n\n", Report.summary(samples)]),
      ["\nRead differently\n\n", Report.differences(rows ++ samples)]
    ]
  end

  defp section("select", directory, options) do
    results = Select.run(directory, options[:mb], options[:rounds])
    [Select.table(results), "\nWhere the time of a full stream goes\n\n", Select.shares(results)]
  end

  defp section("encode", directory, options) do
    results = Encode.run(directory, options[:mb], options[:rounds])
    [Encode.throughput(results), "\nRatios of CPU time\n\n", Encode.table(results)]
  end

  defp section("fields", directory, options),
    do: Fields.table(Fields.run(directory, options[:mb], options[:rounds]))

  defp section("memory", _directory, _options), do: Memory.table(Memory.run())

  defp section("calls", directory, options) do
    samples = if options[:samples], do: Path.wildcard(Path.join(options[:samples], "*")), else: []

    if Calls.measured?(),
      do: Calls.table(Calls.run(directory, samples, options[:rounds])),
      else:
        "not measured: this build of the native library does not time its calls. Run MIX_ENV=test mix bench calls\n"
  end

  defp section("crowd", _directory, options), do: Crowd.text(Crowd.run(options[:rounds]))

  defp contenders(nil), do: Contender.names()

  defp contenders(only) do
    only = String.split(only, ",")
    # Our own runs are what everything is compared with.
    Enum.filter(
      Contender.names(),
      &(to_string(&1) in only or &1 in [:bounded, :bounded_no_space])
    )
  end

  defp samples(nil, _rounds, _contenders), do: []
  defp samples(directory, rounds, contenders), do: Speed.samples(directory, rounds, contenders)

  defp results(rows, samples) do
    path = Files.result("speed")
    # Of an earlier run of the day, which the page of this one must not show.
    for extension <- ~w(.csv .svg), do: File.rm(path <> extension)
    Report.csv!(rows, "generated", path <> ".csv")
    Report.csv!(samples, "samples", path <> ".csv")
    ratios = Enum.group_by(Speed.ratios(rows), &elem(&1, 0), &{elem(&1, 1), elem(&1, 2)})

    groups =
      for {rival, {goal, floor}} <- Speed.targets(), bars = ratios[rival] do
        {rival, Enum.sort_by(bars, fn {kind, _} -> index(kind) end), goal, floor}
      end

    if groups != [], do: Chart.write!(groups, Machine.describe(), path <> ".svg")
  end

  defp index(kind), do: Enum.find_index(Document.kinds(), &(&1 == kind))

  defp keep(section, text) do
    File.mkdir_p!(Path.dirname(Files.result(section)))
    File.write!(Files.result(section) <> ".txt", [Machine.describe(), "\n\n", text])
  end
end
