defmodule Demo.Documents do
  @moduledoc false
  # The documents that are streamed and uploaded: made piece by piece, so that they take no memory here.

  defstruct [:bytes, :chunks, items: 0]

  @head ~s(<?xml version="1.0" encoding="UTF-8"?>\n<feed>\n)
  @tail "</feed>\n"
  @batch 100
  @piece 65_536

  @doc "A feed of at least `bytes` bytes."
  def feed(bytes) do
    batch = Enum.map_join(1..@batch, &item/1)
    batches = div(bytes - 1, byte_size(batch)) + 1
    document([[@head], Stream.map(1..batches, fn _ -> batch end), [@tail]], batches * @batch)
  end

  @doc "A few hundred bytes that mean a billion words."
  def billion_laughs do
    levels = for n <- 1..9, do: ~s(<!ENTITY l#{n} "#{String.duplicate("&l#{n - 1};", 10)}">\n)
    document([[~s(<!DOCTYPE feed [<!ENTITY l0 "laugh">\n), levels, "]>\n<feed>&l9;</feed>"]])
  end

  @doc "One item whose title, an attribute, has `bytes` bytes."
  def attribute(bytes) do
    piece = String.duplicate("A", @piece)
    title = Stream.map(1..div(bytes, @piece), fn _ -> piece end)
    document([[~s(<feed><item title=")], title, [~s("/></feed>)]])
  end

  @doc "The file at `path`, read as it is asked for."
  def file(path) do
    open = fn -> File.open!(path, [:read, :raw, :binary]) end

    read = fn file ->
      case :file.read(file, @piece) do
        {:ok, data} -> {[data], file}
        :eof -> {:halt, file}
        {:error, reason} -> raise File.Error, reason: reason, action: "read", path: path
      end
    end

    %__MODULE__{
      bytes: File.stat!(path).size,
      chunks: Stream.resource(open, read, &File.close/1)
    }
  end

  defp document(parts, items \\ 0) do
    chunks = Stream.concat(parts)
    bytes = Enum.reduce(chunks, 0, &(IO.iodata_length(&1) + &2))
    %__MODULE__{bytes: bytes, chunks: chunks, items: items}
  end

  defp item(n) do
    """
    <item id="urn:feed:#{n * 7919}" lang="de">
      <title>Nummer #{n}: Käse &amp; Brot für #{rem(n, 17)} Gäste</title>
      <link href="http://feed.example/items/#{n}?page=#{rem(n, 5)}&amp;sort=date"/>
      <published>2024-0#{rem(n, 9) + 1}-1#{rem(n, 10)}T12:00:00Z</published>
      <author><name>Author #{rem(n, 23)}</name><email>a#{n}@feed.example</email></author>
      <summary>#{String.duplicate("A sentence as feeds have them, of some length. ", rem(n, 6) + 2)}</summary>
      <content><![CDATA[<p>#{String.duplicate("Markup <b>inside</b> markup. ", rem(n, 8) + 3)}</p>]]></content>
    </item>
    """
  end
end
