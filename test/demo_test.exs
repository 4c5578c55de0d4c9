defmodule Bounded.DemoTest do
  # What `bin/demo` shows. That the whole of it runs: CI's job on a fresh Debian.
  use ExUnit.Case, async: true

  for file <- ~w(terminal report), do: Code.require_file("../demo/#{file}.ex", __DIR__)

  alias Demo.{Report, Terminal}

  @mib 1_048_576

  defp page(changes \\ %{}) do
    good = for ms <- 0..2_000//20, do: {ms, 100 * @mib + ms * 1_000}
    bad = for ms <- 0..500//20, do: {ms, 100 * @mib + ms * 400_000}

    %{
      took: 83_400,
      rows: [["what", "how it went", "memory"], ["a <row> & \"more\"", "alive", "120 MiB"]],
      charts: [{"3. Both", [{"with", :good, good}, {"without", :bad, bad}], 256 * @mib}],
      problems: []
    }
    |> Map.merge(changes)
    |> Report.page()
    |> IO.iodata_to_binary()
  end

  test "the report is well-formed, and asks for nothing from anywhere" do
    page = page()
    html = BoundedXml.parse!(page)
    assert {"html", _, _} = html
    refute page =~ ~r/https?:|src=|href=|@import|url\(|<script|<link/
  end

  test "the report has the table, each line of a chart with its peak, and the ceiling" do
    page = page()
    assert page =~ "<td>a &lt;row&gt; &amp; &quot;more&quot;</td>"
    assert page =~ "with; at most 102 MiB"
    assert page =~ "without; at most 291 MiB"
    assert page =~ "Dashed: 256 MiB"
    assert page =~ "Took 83.4 s"

    lines = page |> BoundedXml.select("//polyline", fields: [points: "@points"]) |> Enum.to_list()
    assert [%{points: good}, %{points: bad}] = lines

    # The run that went on is longer; the one that was killed is higher: y grows downwards.
    assert last_x(good) > last_x(bad)
    assert highest(bad) < highest(good)
    for {x, y} <- points(good) ++ points(bad), do: assert(x in 72..752 and y in 12..212)
  end

  defp points(text) do
    for point <- String.split(text) do
      [x, y] = String.split(point, ",")
      {String.to_integer(x), String.to_integer(y)}
    end
  end

  defp last_x(text), do: text |> points() |> List.last() |> elem(0)
  defp highest(text), do: text |> points() |> Enum.map(&elem(&1, 1)) |> Enum.min()

  test "the report says what is not as it should be" do
    refute page() =~ ~s(<p class="bad">)
    assert page(%{problems: ["the node died"]}) =~ ~s(<p class="bad">the node died</p>)
  end

  test "a bar is as long as its share, and never longer than the whole" do
    for {share, full, percent} <- [
          {0, 0, "0 %"},
          {0.5, 12, "50 %"},
          {1, 24, "100 %"},
          {7, 24, "100 %"}
        ] do
      bar = share |> Terminal.bar(false) |> IO.iodata_to_binary()
      assert length(String.split(bar, "█")) - 1 == full
      assert bar |> String.graphemes() |> Enum.count(&(&1 in ["█", "░"])) == 24
      assert String.ends_with?(bar, percent)
    end
  end

  test "colours are for terminals without NO_COLOR" do
    assert Terminal.colour?(true, nil)
    assert Terminal.colour?(true, "")
    refute Terminal.colour?(true, "1")
    refute Terminal.colour?(false, nil)
    assert IO.iodata_to_binary(Terminal.bar(0.5, true)) =~ "\e["
    refute IO.iodata_to_binary(Terminal.bar(0.5, false)) =~ "\e["
  end
end
