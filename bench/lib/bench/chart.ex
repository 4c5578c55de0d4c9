defmodule Bench.Chart do
  @moduledoc """
  A chart of ratios as SVG: one group of bars a rival, one bar a document, on a logarithmic scale, with
  the goal for their mean and the floor for each drawn across.
  """

  alias Bench.Report

  @colours ~w(#4269d0 #efb118 #ff725c #6cc5b0 #9c6b4e)
  @width 960
  @height 420
  @left 60
  @top 60
  @plot_height 280

  @doc "Writes the chart. `groups` are `{rival, [{document, ratio}], goal, floor}`."
  def write!(groups, caption, path) do
    top = groups |> Enum.flat_map(&ratios/1) |> Enum.max()
    group_width = (@width - @left - 20) / length(groups)

    body =
      for {group, index} <- Enum.with_index(groups) do
        group(group, @left + index * group_width, group_width, top)
      end

    documents =
      groups |> Enum.map(&elem(&1, 1)) |> Enum.max_by(&length/1) |> Enum.map(&elem(&1, 0))

    File.write!(path, [
      ~s(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 #{@width} #{@height}" ),
      ~s(font-family="sans-serif" font-size="12">\n),
      ~s(<rect width="100%" height="100%" fill="white"/>\n),
      text(
        @left,
        24,
        "CPU time of other parsers, as a multiple of BoundedXml's (higher is better for BoundedXml)",
        16
      ),
      text(@left, 42, caption, 10),
      Enum.map([0.5, 1, 2, 5, 10, 20, 50], &grid(&1, top)),
      body,
      legend(documents),
      "</svg>\n"
    ])
  end

  defp ratios({_rival, bars, goal, _floor}), do: [goal | Enum.map(bars, &elem(&1, 1))]

  defp group({rival, bars, goal, floor}, left, width, top) do
    bar_width = width * 0.8 / max(length(bars), 1)

    bars =
      for {{document, ratio}, index} <- Enum.with_index(bars) do
        y = y(ratio, top)
        x = left + index * bar_width

        [
          ~s(<rect x="#{at(x)}" y="#{at(y)}" width="#{at(bar_width - 2)}" ),
          ~s(height="#{at(@top + @plot_height - y)}" fill="#{colour(index)}">),
          ~s(<title>#{document}: #{Report.number(ratio)}</title></rect>\n),
          text(x, y - 3, Report.number(ratio, 1), 9)
        ]
      end

    right = left + width * 0.8

    [
      bars,
      line(left, right, y(goal, top), ~s(stroke="black")),
      line(left, right, y(floor, top), ~s(stroke="black" stroke-dasharray="3 3")),
      text(left, @top + @plot_height + 18, to_string(rival), 12)
    ]
  end

  defp grid(ratio, top) do
    if ratio <= top * 1.2 do
      y = y(ratio, top)

      [
        line(@left, @width - 20, y, ~s(stroke="#ddd")),
        text(20, y + 4, Report.number(ratio, 1), 10)
      ]
    else
      []
    end
  end

  defp legend(documents) do
    y = @height - 24

    entries =
      for {document, index} <- Enum.with_index(documents) do
        x = @left + index * 110

        [
          ~s(<rect x="#{x}" y="#{y - 10}" width="12" height="12" fill="#{colour(index)}"/>),
          text(x + 18, y, to_string(document), 11)
        ]
      end

    x = @left + length(documents) * 110
    [entries, text(x, y, "line: goal for the geometric mean; dashed: floor for each", 11)]
  end

  # From a ratio of 0.4 at the bottom to the largest at the top.
  defp y(ratio, top) do
    share = :math.log(max(ratio, 0.4) / 0.4) / :math.log(top * 1.2 / 0.4)
    @top + @plot_height * (1 - share)
  end

  defp line(x1, x2, y, style),
    do: ~s(<line x1="#{at(x1)}" x2="#{at(x2)}" y1="#{at(y)}" y2="#{at(y)}" #{style}/>\n)

  defp text(x, y, text, size),
    do: ~s(<text x="#{at(x)}" y="#{at(y)}" font-size="#{size}">#{text}</text>\n)

  defp at(figure), do: Report.number(figure, 1)
  defp colour(index), do: Enum.at(@colours, rem(index, length(@colours)))
end
