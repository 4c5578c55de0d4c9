defmodule Examples.FeedFilter do
  @moduledoc """
  Reads a feed, changes and drops items, and writes the rest, in memory that does not grow with the feed.

      mix run examples/feed_filter/run.exs feed.xml items.xml
  """

  @limit Quota.mib(32)

  def main([from, to]) do
    Quota.run(@limit, fn -> run(from, to) end, label: "feed filter")
    IO.puts("wrote #{to}: #{File.stat!(to).size} bytes of #{File.stat!(from).size}")
  end

  def main(_), do: IO.puts(:stderr, "usage: mix run examples/feed_filter/run.exs FROM.xml TO.xml")

  @doc "Writes the items of the feed `from` that have a link to the file `to`, with their titles trimmed."
  def run(from, to) do
    {:file, from}
    |> BoundedXml.select("rss/channel/item")
    |> Stream.filter(&link?/1)
    |> Stream.map(&trim_title/1)
    |> BoundedXml.encode_stream(root: {"items", []}, declaration: true)
    |> Stream.into(File.stream!(to))
    |> Stream.run()
  end

  defp link?({"item", _attributes, children}),
    do: Enum.any?(children, &match?({"link", _, _}, &1))

  defp trim_title({"item", attributes, children}) do
    children =
      for child <- children do
        case child do
          {"title", attributes, [title]} -> {"title", attributes, [String.trim(title)]}
          other -> other
        end
      end

    {"item", attributes, children}
  end
end
