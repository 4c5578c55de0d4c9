defmodule Bench.Innocent.Kinds.Heap do
  # Terms: what everyday code computes.

  import Bench.Innocent.{Kind, Work}

  @row %{author: %{id: 1}, tags: [1, 2], notes: "a text of some length", allowed: [:read, :write]}

  @large 64 * 1_048_576

  def kinds, do: collections() ++ text() ++ xml() ++ control()

  defp collections do
    [
      kind("a list of 16 MB, and 50 short ones", [limit: @large], fn ->
        list = Enum.to_list(1..1_000_000)
        for _ <- 1..50, do: drop(Enum.map(1..50_000, & &1))
        length(list)
      end),
      # The VM makes an old heap of four times what it holds. OTP 25 counts that, and ends one such run in six.
      kind("rows of 1 MB, a third, visited five times", [limit: 3 * 1_048_576, since: 26], fn ->
        rows = for id <- 1..8_000, do: Map.put(@row, :id, id)
        for _ <- 1..5, do: Enum.each(rows, &Map.to_list/1)
        length(rows)
      end),
      kind("a list of 21 MB, a third", [limit: @large], fn ->
        length(Enum.to_list(1..1_300_000))
      end),
      kind("a sort of 200,000", [limit: @large], fn ->
        list = for i <- 1..200_000, do: rem(i * 7_919, 200_003)
        length(Enum.sort(list))
      end),
      kind("a map of 50,000 keys", [limit: @large], fn ->
        map_size(Map.new(1..50_000, &{&1, &1}))
      end),
      kind("Enum.group_by of 100,000", [limit: @large], fn ->
        map_size(Enum.group_by(1..100_000, &rem(&1, 100)))
      end),
      kind("50,000 keys in the process dictionary", [limit: @large], fn ->
        for i <- 1..50_000, do: Process.put(i, i)
        :ok
      end),
      kind("100,000 in a queue", fn ->
        :queue.len(Enum.reduce(1..100_000, :queue.new(), &:queue.in/2))
      end),
      kind("a stream in chunks", fn ->
        1..200_000 |> Stream.map(&(&1 * 2)) |> Stream.chunk_every(100) |> Enum.count()
      end),
      kind("the factorial of 2000", fn -> Enum.reduce(1..2_000, &*/2) > 0 end)
    ]
  end

  defp text do
    [
      kind("inspect of 20,000", [limit: @large], fn ->
        byte_size(inspect(Enum.to_list(1..20_000), limit: :infinity))
      end),
      kind("terms to a binary and back, 10 times", [limit: @large], fn ->
        list = Enum.to_list(1..100_000)
        for _ <- 1..10, do: length(:erlang.binary_to_term(:erlang.term_to_binary(list)))
      end),
      kind("a regular expression over 250 KB", [limit: @large], fn ->
        text = String.duplicate("name 1234567;", 20_000)
        length(Regex.scan(~r/name (\d+)/, text))
      end),
      kind("String.split of 1 MB, upper case, joined", [limit: @large], fn ->
        text = String.duplicate("some words ", 90_000)
        text |> String.split(" ") |> Enum.map(&String.upcase/1) |> Enum.join(" ") |> byte_size()
      end),
      kind("iodata of 20,000 rows", [limit: @large], fn ->
        rows =
          for i <- 1..20_000, do: ["{\"id\":", Integer.to_string(i), ",\"name\":\"row\"}", ?\n]

        byte_size(IO.iodata_to_binary(rows))
      end),
      kind("a binary appended to, 5 MB", fn ->
        byte_size(
          Enum.reduce(1..50_000, "", fn _, text ->
            <<text::binary, "some text of a hundred bytes"::binary, 0::576>>
          end)
        )
      end),
      kind("Base64 of 2 MB and back", fn ->
        byte_size(Base.decode64!(Base.encode64(:binary.copy("a", 2_000_000))))
      end)
    ]
  end

  defp xml do
    [
      kind("XML: 10,000 elements as a stream", fn ->
        document(10_000) |> BoundedXml.stream() |> Enum.count()
      end),
      kind("XML: 5,000 elements, their events kept", fn ->
        document(5_000) |> BoundedXml.stream() |> Enum.to_list() |> length()
      end),
      kind("XML: 10,000 selected records", fn ->
        document(10_000) |> BoundedXml.select("a/b") |> Enum.count()
      end)
    ]
  end

  defp control do
    [
      kind("recursion 200,000 deep", fn -> depth(200_000) end),
      kind("10,000 exceptions rescued", fn ->
        Enum.count(1..10_000, fn i ->
          try do
            raise ArgumentError, "number #{i}"
          rescue
            ArgumentError -> true
          end
        end)
      end),
      kind("code evaluated", [limit: @large], fn ->
        {result, _} = Code.eval_string("Enum.sum(for i <- 1..1_000, do: i * i)")
        result
      end)
    ]
  end

  defp depth(0), do: 0
  defp depth(n), do: 1 + depth(n - 1)

  defp document(count), do: "<a>" <> String.duplicate("<b c='dddd'>x</b>", count) <> "</a>"
end
