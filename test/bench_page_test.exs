defmodule Bounded.BenchPageTest do
  # The page that `mix bench` writes. `bench/` is a project of its own, which CI does not build.
  use ExUnit.Case, async: true

  Code.require_file("../bench/lib/bench/page.ex", __DIR__)

  test "has the date, the machine, the versions, each text and each chart, and asks for nothing" do
    chart = ~s(<svg xmlns="http://www.w3.org/2000/svg"><text>9.58</text></svg>)

    sections = [
      {"speed", "rival  feed\nsaxy   <13.25>\n", [chart]},
      {"memory", "10 MB & 1 GB", []}
    ]

    page =
      "2026-11-28"
      |> Bench.Page.html("AMD EPYC, 2 cores", [saxy: "1.6.0"], sections)
      |> IO.iodata_to_binary()

    assert {"html", _, _} = BoundedXml.parse!(page)

    for part <- ["2026-11-28", "AMD EPYC, 2 cores", "<td>saxy</td><td>1.6.0</td>", chart],
        do: assert(page =~ part)

    assert page =~ "<pre>rival  feed\nsaxy   &lt;13.25&gt;\n</pre>"
    assert page =~ "<pre>10 MB &amp; 1 GB</pre>"
    refute page =~ ~r/src=|href=|@import|url\(|<script|<link/
  end

  test "versions are those of what is there" do
    versions = Bench.Page.versions(File.read!("Cargo.lock"))
    assert versions[:bounded] == Mix.Project.config()[:version]
    assert versions[:quick_xml] =~ ~r/^\d+\.\d+/
    # OTP has it, and a VM that has not loaded it finds it.
    assert versions[:xmerl_sax_parser] =~ ~r/^\d+\.\d+/
    refute Enum.any?(versions, &match?({_, nil}, &1))
    refute Keyword.has_key?(Bench.Page.versions(""), :quick_xml)
  end
end
