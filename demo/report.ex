defmodule Demo.Report do
  @moduledoc false
  # The demo's figures as one page that needs nothing else: styles and charts are in it.

  import Demo.Terminal, only: [bytes: 1, seconds: 1]

  @width 760
  @height 240
  @left 72
  @top 12
  @bottom 212

  @doc """
  Writes the page to `path`: `took` in milliseconds, `rows` of text with the header first, `charts` as `{title, [{label, kind, samples}],
  ceiling}` with `kind` `:good` or `:bad`, samples `[{ms, bytes}]` and a ceiling in bytes or nil, and `problems` as text.
  """
  def write!(path, report), do: File.write!(path, page(report))

  @doc "The page, as iodata."
  def page(%{took: took, rows: rows, charts: charts, problems: problems}) do
    [
      ~s(<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>),
      ~s(<meta name="viewport" content="width=device-width, initial-scale=1"/>),
      "<title>Bounded: the demo</title><style>",
      style(),
      "</style></head><body>\n<h1>Bounded: the demo</h1>\n<p>",
      escape("#{date()}, #{machine()}. Took #{seconds(took)}. The charts show resident memory."),
      "</p>\n",
      for(problem <- problems, do: ["<p class=\"bad\">", escape(problem), "</p>\n"]),
      for(chart <- charts, do: chart(chart)),
      "<h2>What was measured</h2>\n<table>\n",
      table(rows),
      "</table>\n</body></html>\n"
    ]
  end

  defp style do
    """
    :root { color-scheme: light dark; --good: #1f7a6d; --bad: #c4472d; --grid: #d0d7de; }
    @media (prefers-color-scheme: dark) { :root { --good: #4fd1bd; --bad: #ff8f73; --grid: #3d444d; } }
    body { font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
    svg { width: 100%; height: auto; overflow: visible; } svg text { fill: currentColor; font-size: 12px; }
    .good { color: var(--good); } .bad { color: var(--bad); }
    polyline { fill: none; stroke: currentColor; stroke-width: 2; }
    @media (max-width: 34rem) { svg text { font-size: 17px; } polyline { stroke-width: 3; } }
    .grid { stroke: var(--grid); } .ceiling { stroke: currentColor; stroke-dasharray: 6 4; }
    table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
    border-bottom: 1px solid var(--grid); }
    """
  end

  defp table([header | rows]) do
    row = fn cells, tag ->
      ["<tr>", for(cell <- cells, do: "<#{tag}>#{escape(cell)}</#{tag}>"), "</tr>\n"]
    end

    [row.(header, "th"), for(cells <- rows, do: row.(cells, "td"))]
  end

  defp chart({title, series, ceiling}) do
    all = for {_label, _kind, samples} <- series, sample <- samples, do: sample
    last = all |> Enum.map(&elem(&1, 0)) |> Enum.max() |> max(1)
    highest = all |> Enum.map(&elem(&1, 1)) |> Enum.max() |> max(ceiling || 0)
    step = step(highest)
    top = step * (div(highest, step) + 1)
    scale = {last, top}

    [
      "<h2>",
      escape(title),
      "</h2>\n",
      ~s(<svg viewBox="0 0 #{@width} #{@height}" role="img" aria-label="Resident memory over time">),
      for(bytes <- 0..top//step, do: grid(bytes, scale)),
      text(@left, @height - 8, "0 s", "start"),
      text(@width - 8, @height - 8, seconds(last), "end"),
      if(ceiling, do: line("ceiling", y(ceiling, scale)), else: []),
      for({_label, kind, samples} <- series, do: polyline(kind, samples, scale)),
      "</svg>\n",
      for {label, kind, samples} <- series do
        peak = samples |> Enum.map(&elem(&1, 1)) |> Enum.max()
        ~s(<p><span class="#{kind}">■</span> #{escape(label)}; at most #{bytes(peak)}</p>\n)
      end,
      if(ceiling, do: "<p>Dashed: #{bytes(ceiling)}.</p>\n", else: [])
    ]
  end

  # Four to eight lines, at powers of two of a MiB.
  defp step(highest),
    do: Enum.find(Stream.iterate(1_048_576, &(&1 * 2)), &(&1 * 8 > highest))

  defp grid(bytes, scale) do
    y = y(bytes, scale)
    [line("grid", y), text(@left - 8, y + 4, bytes(bytes), "end")]
  end

  defp line(class, y), do: ~s(<path class="#{class}" d="M#{@left} #{y} H#{@width - 8}"/>)

  defp text(x, y, text, anchor),
    do: ~s(<text x="#{x}" y="#{y}" text-anchor="#{anchor}">#{escape(text)}</text>)

  # A column of the picture shows the largest of its samples.
  defp polyline(kind, samples, scale) do
    points =
      samples
      |> Enum.group_by(fn {ms, _} -> x(ms, scale) end, &elem(&1, 1))
      |> Enum.sort()
      |> Enum.map_join(" ", fn {x, bytes} -> "#{x},#{y(Enum.max(bytes), scale)}" end)

    ~s(<polyline class="#{kind}" points="#{points}"/>)
  end

  defp x(ms, {last, _top}), do: @left + div(ms * (@width - @left - 8), last)
  defp y(bytes, {_last, top}), do: @bottom - div(bytes * (@bottom - @top), top)

  defp escape(text), do: BoundedXml.escape(text)

  defp date, do: Date.utc_today() |> Date.to_iso8601()

  defp machine do
    "#{processor()}#{System.schedulers_online()} cores, OTP #{System.otp_release()}, Elixir #{System.version()}"
  end

  defp processor do
    with {:ok, text} <- File.read("/proc/cpuinfo"),
         [_, name] <- Regex.run(~r/^model name\s*: (.*)$/m, text) do
      name <> ", "
    else
      _ -> ""
    end
  end
end
