defmodule Bench.Pool.Chart do
  # Lines over time as an SVG file. Points are {milliseconds, bytes}.

  @width 860
  @height 360
  @left 60
  @bottom 40
  @top 40
  @colours ["#1f6f8b", "#c0392b", "#7f8c8d", "#b7950b"]

  def write(path, title, series, limit) do
    last =
      series |> Enum.flat_map(fn {_, points} -> Enum.map(points, &elem(&1, 0)) end) |> Enum.max()

    highest =
      Enum.max([limit | Enum.flat_map(series, fn {_, ps} -> Enum.map(ps, &elem(&1, 1)) end)])

    x = fn ms -> Float.round(@left + ms / max(last, 1) * (@width - @left - 20), 1) end

    y = fn bytes ->
      Float.round(@height - @bottom - bytes / highest * (@height - @bottom - @top), 1)
    end

    File.write!(path, """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 #{@width} #{@height + 24 * length(series)}" font-family="sans-serif" font-size="12">
    <rect width="100%" height="100%" fill="white"/>
    <text x="#{@left}" y="22" font-size="15">#{title}</text>
    #{grid(highest, last, x, y)}
    <line x1="#{@left}" x2="#{@width - 20}" y1="#{y.(limit)}" y2="#{y.(limit)}" stroke="black" stroke-dasharray="6 4"/>
    <text x="#{@width - 20}" y="#{y.(limit) - 5}" text-anchor="end">limit of the control group, #{mib(limit)} MiB</text>
    #{series |> Enum.with_index() |> Enum.map_join("\n", &line(&1, x, y))}
    </svg>
    """)
  end

  defp line({{name, points}, index}, x, y) do
    colour = Enum.at(@colours, index)
    path = Enum.map_join(points, " ", fn {ms, bytes} -> "#{x.(ms)},#{y.(bytes)}" end)
    {end_ms, end_bytes} = List.last(points)
    below = @height + 24 * index

    """
    <polyline fill="none" stroke="#{colour}" stroke-width="1.5" points="#{path}"/>
    <circle cx="#{x.(end_ms)}" cy="#{y.(end_bytes)}" r="3.5" fill="#{colour}"/>
    <line x1="#{@left}" x2="#{@left + 24}" y1="#{below + 4}" y2="#{below + 4}" stroke="#{colour}" stroke-width="3"/>
    <text x="#{@left + 32}" y="#{below + 8}">#{name}</text>
    """
  end

  defp grid(highest, last, x, y) do
    rows =
      for step <- 0..div(mib(highest), 64) do
        at = y.(step * 64 * 1024 * 1024)

        ~s(<line x1="#{@left}" x2="#{@width - 20}" y1="#{at}" y2="#{at}" stroke="#ddd"/>) <>
          ~s(<text x="#{@left - 6}" y="#{at + 4}" text-anchor="end">#{step * 64}</text>)
      end

    columns =
      for second <- 0..div(last, 1000)//max(div(last, 8_000), 1) do
        ~s(<text x="#{x.(second * 1000)}" y="#{@height - @bottom + 18}" text-anchor="middle">#{second} s</text>)
      end

    Enum.join(rows ++ columns, "\n") <>
      ~s(<text x="#{@left - 6}" y="#{@top - 4}" text-anchor="end">MiB</text>)
  end

  defp mib(bytes), do: round(bytes / (1024 * 1024))
end
