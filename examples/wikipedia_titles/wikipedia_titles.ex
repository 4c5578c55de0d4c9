defmodule Examples.WikipediaTitles do
  @moduledoc """
  Writes the titles of the articles of a MediaWiki dump, one a line, in memory that does not grow with the dump. Texts are checked, and
  discarded without being copied.

      mix run examples/wikipedia_titles/run.exs pages.xml.gz titles.txt
      bzip2 -dc pages.xml.bz2 | mix run examples/wikipedia_titles/run.exs - titles.txt
  """

  @limit Quota.mib(32)
  @fields [title: "title", namespace: "ns", redirect: "redirect/@title"]

  def main([dump, titles]), do: IO.puts("#{run(source(dump), titles)} titles")

  def main(_),
    do:
      IO.puts(
        :stderr,
        "usage: mix run examples/wikipedia_titles/run.exs DUMP.xml[.gz] TITLES.txt"
      )

  @doc "The dump as a source: standard input, a file, or a file that gzip has compressed."
  def source("-"), do: IO.binstream(:stdio, 65_536)

  def source(path),
    do: if(Path.extname(path) == ".gz", do: {:file, path, [:compressed]}, else: {:file, path})

  @doc "Writes to the file `titles`, and returns how many there are. Namespace 0 has the articles; redirects are left out."
  def run(source, titles) do
    work = fn ->
      written = :counters.new(1, [])

      source
      # A dump of gigabytes is what this is for.
      |> BoundedXml.select("mediawiki/page", fields: @fields, max_bytes: :infinity)
      |> Stream.filter(&match?(%{namespace: "0", redirect: nil}, &1))
      |> Stream.map(fn page ->
        :counters.add(written, 1, 1)
        [page.title, ?\n]
      end)
      |> Stream.into(File.stream!(titles))
      |> Stream.run()

      :counters.get(written, 1)
    end

    Quota.run(@limit, work, label: "titles")
  end
end
