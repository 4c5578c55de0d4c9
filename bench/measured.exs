# Whether the figures of `Quota.measure/1` can be relied on: 49 kinds of everyday work, each measured, then run five times under twice
# the measured peak, enforced and observed. Exits with 1 when one is stopped or reported. With `--needs` the last column is the
# smallest multiple of the peak, in tenths, under which all of five runs pass.
#
#     MIX_ENV=prod mix run bench/measured.exs [--needs] [row ...]

defmodule Measured.Rows do
  @moduledoc false
  # Each row: {name, work}.

  @page 1_048_576

  def all, do: lists() ++ terms() ++ binaries() ++ references() ++ processes() ++ library()

  defp repeat(n, fun), do: for(_ <- 1..n, do: fun.()) |> length()
  defp list(n), do: Enum.to_list(1..n)
  defp shuffled(n), do: for(i <- 1..n, do: rem(i * 7_919, 200_003))
  defp text(n), do: String.duplicate("name 1234567; ", n)
  defp page, do: :binary.copy("p", @page)

  defp lists do
    [
      {"a list", fn -> length(list(500_000)) end},
      {"a list beside garbage",
       fn ->
         kept = list(750_000)
         repeat(200, fn -> Enum.map(1..50_000, & &1) |> length() end)
         length(kept)
       end},
      {"a list mapped three times",
       fn ->
         list(300_000)
         |> Enum.map(&(&1 + 1))
         |> Enum.map(&{&1, &1})
         |> Enum.map(&elem(&1, 0))
         |> length()
       end},
      {"a list reversed",
       fn -> list(400_000) |> Enum.reverse() |> Enum.reverse() |> length() end},
      {"sorts",
       fn ->
         kept = shuffled(200_000)
         repeat(20, fn -> length(Enum.sort(kept)) end)
       end},
      {"a sort by key",
       fn -> shuffled(100_000) |> Enum.sort_by(&{rem(&1, 10), &1}) |> length() end},
      {"groups", fn -> shuffled(200_000) |> Enum.group_by(&rem(&1, 100)) |> map_size() end},
      {"chunks", fn -> list(300_000) |> Enum.chunk_every(10) |> length() end},
      {"zips", fn -> Enum.zip(list(200_000), list(200_000)) |> length() end},
      {"uniq", fn -> shuffled(200_000) |> Enum.uniq() |> length() end},
      {"a lazy stream", fn -> 1..500_000 |> Stream.map(&{&1, "x"}) |> Enum.count() end},
      {"a deep recursion", fn -> deep(300_000) end}
    ]
  end

  defp deep(0), do: 0
  defp deep(n), do: 1 + deep(n - 1)

  defp terms do
    [
      {"a map", fn -> map_size(Map.new(1..100_000, &{&1, &1})) end},
      {"a map updated",
       fn ->
         Enum.reduce(1..200_000, %{}, &Map.update(&2, rem(&1, 5_000), 1, fn n -> n + 1 end))
         |> map_size()
       end},
      {"rows of maps",
       fn -> length(for i <- 1..50_000, do: %{id: i, name: "n#{i}", tags: [:a, :b]}) end},
      {"keyword lists", fn -> length(for i <- 1..50_000, do: [id: i, name: i, size: i]) end},
      {"tuples", fn -> length(for i <- 1..100_000, do: {i, i, i, i}) end},
      {"one large tuple", fn -> tuple_size(List.to_tuple(list(500_000))) end},
      {"a MapSet", fn -> MapSet.size(MapSet.new(1..100_000)) end},
      {"a queue", fn -> :queue.len(Enum.reduce(1..300_000, :queue.new(), &:queue.in/2)) end},
      {"big integers",
       fn -> Enum.reduce(1..3_000, 1, &(&1 * &2)) |> Integer.digits() |> length() end},
      {"the process dictionary",
       fn -> for(i <- 1..100_000, do: Process.put(i, i)) |> length() end}
    ]
  end

  defp binaries do
    [
      {"inspect",
       fn -> repeat(40, fn -> byte_size(inspect(list(5_000), limit: :infinity)) end) end},
      {"term_to_binary and back",
       fn ->
         kept = list(200_000)

         repeat(20, fn ->
           kept |> :erlang.term_to_binary() |> :erlang.binary_to_term() |> length()
         end)
       end},
      {"a regular expression",
       fn ->
         text = text(40_000)
         repeat(10, fn -> length(Regex.scan(~r/name (\d+)/, text)) end)
       end},
      {"a text split", fn -> text(100_000) |> String.split(";") |> length() end},
      {"graphemes", fn -> text(20_000) |> String.graphemes() |> length() end},
      {"upcase", fn -> text(100_000) |> String.upcase() |> byte_size() end},
      {"a replacement",
       fn -> text(100_000) |> String.replace("name", "title") |> byte_size() end},
      {"a binary appended to",
       fn -> Enum.reduce(1..200_000, <<>>, &<<&2::binary, &1::32>>) |> byte_size() end},
      {"iodata",
       fn ->
         for(i <- 1..100_000, do: [Integer.to_string(i), ?,])
         |> IO.iodata_to_binary()
         |> byte_size()
       end},
      {"small binaries", fn -> length(for i <- 1..100_000, do: "number #{i}") end},
      {"binaries of 100 bytes", fn -> length(for _ <- 1..50_000, do: :binary.copy("x", 100)) end},
      {"binaries of 1 MB", fn -> length(for _ <- 1..20, do: page()) end},
      {"garbage binaries of 1 MB", fn -> repeat(200, fn -> byte_size(page()) end) end},
      {"garbage binaries beside a list",
       fn ->
         kept = list(500_000)
         repeat(20, fn -> byte_size(:binary.copy("x", 10_000_000)) end)
         length(kept)
       end},
      {"Base64", fn -> page() |> Base.encode64() |> Base.decode64!() |> byte_size() end},
      {"zlib", fn -> text(100_000) |> :zlib.gzip() |> :zlib.gunzip() |> byte_size() end},
      {"hashes", fn -> repeat(50, fn -> byte_size(:crypto.hash(:sha256, page())) end) end}
    ]
  end

  defp references do
    [
      {"60 references to one page", fn -> referred_to(page(), 60) end},
      {"16 references beside a list", fn -> length(list(200_000)) + referred_to(page(), 16) end},
      {"pieces of one binary",
       fn ->
         page = page()
         length(for i <- 0..9_999, do: binary_part(page, i * 100, 100))
       end}
    ]
  end

  defp referred_to(page, n) do
    work = self()
    spawn(fn -> for _ <- 1..n, do: send(work, {:page, page}) end)
    for(_ <- 1..n, do: receive(do: ({:page, page} -> page))) |> length()
  end

  defp processes do
    [
      {"messages",
       fn ->
         for i <- 1..50_000, do: send(self(), {i, "text"})
         length(for _ <- 1..50_000, do: receive(do: (message -> message)))
       end},
      {"tasks",
       fn ->
         for(n <- 1..20, do: Task.async(fn -> list(n * 1_000) end))
         |> Task.await_many()
         |> length()
       end},
      {"an ETS table",
       fn ->
         table = :ets.new(:rows, [])
         for i <- 1..50_000, do: :ets.insert(table, {i, "row #{i}"})
         length(:ets.tab2list(table))
       end}
    ]
  end

  defp library do
    document = "<a>" <> String.duplicate("<b c='dddd'>x</b>", 10_000) <> "</a>"

    [
      {"XML events kept",
       fn ->
         repeat(10, fn -> document |> BoundedXml.stream() |> Enum.to_list() |> length() end)
       end},
      {"XML records", fn -> document |> BoundedXml.select("a/b") |> Enum.count() end},
      {"slices",
       fn ->
         page = page()
         length(BoundedBinary.slices(page, for(i <- 0..999, do: {i * 1_000, 1_000})))
       end},
      {"inflated",
       fn -> text(100_000) |> :zlib.gzip() |> BoundedBinary.inflate() |> byte_size() end}
    ]
  end
end

defmodule Measured do
  @moduledoc false

  alias Measured.Rows

  @runs 5
  # Tenths of the peak.
  @largest 30

  def main(args) do
    {opts, names} = OptionParser.parse!(args, strict: [needs: :boolean])
    rows = Enum.filter(Rows.all(), &(names == [] or elem(&1, 0) in names))

    IO.puts(
      "OTP #{System.otp_release()}, #{length(rows)} kinds of work: the measured peak, and what passes under twice that\n"
    )

    missed = Enum.count(rows, &missed?(&1, opts[:needs]))
    if missed > 0, do: IO.puts("\n#{missed} do not pass under twice their peak, or are reported")
    System.halt(min(missed, 1))
  end

  defp missed?({name, work}, needs) do
    {_, %{peak: peak, live: live}} = Quota.measure(work)
    limit = max(peak, 64 * 1_024)
    passed = passed(2 * limit, work)
    reported = Enum.count(1..@runs, fn _ -> reported?(2 * limit, work) end)

    IO.puts(
      String.pad_trailing(name, 34) <>
        String.pad_leading("#{div(live, 1_024)} KiB live", 16) <>
        String.pad_leading("#{div(peak, 1_024)} KiB peak", 18) <>
        "   #{passed} of #{@runs} pass, #{reported} reported" <>
        if(needs, do: ", needs #{needed(limit, work)}", else: "")
    )

    passed < @runs or reported > 0
  end

  defp passed(limit, work),
    do: Enum.count(1..@runs, fn _ -> match?({:ok, _}, Quota.try_run(limit, work)) end)

  # The account knows of every breach, whether it is told or not.
  defp reported?(limit, work) do
    bench = self()

    Quota.run(
      limit,
      fn ->
        {account, _caller} = Bounded.Native.own_account()
        send(bench, {:account, account})
        work.()
      end,
      mode: :observe
    )

    receive do: ({:account, account} -> Bounded.Native.account_cause(account) != nil)
  end

  defp needed(limit, work) do
    tenths =
      Enum.find(1..@largest, &(passed(max(div(limit * &1, 10), 64 * 1_024), work) == @runs))

    if tenths, do: "#{tenths / 10} x", else: "over #{@largest / 10} x"
  end
end

Logger.configure(level: :none)
Measured.main(System.argv())
