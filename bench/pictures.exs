# Draws the pictures of README.md into guides/images/, light and dark:
#
#     MIX_ENV=prod mix run bench/pictures.exs [RESIDENT.csv]
#
# `resident`: resident memory of two fresh VMs that build a list of 40 million integers, one of them within a limit of 64 MiB. It is
# measured, or read from a CSV of an earlier run. `speed`: the mean ratios of the newest results of `mix bench`.
defmodule Pictures do
  @mib 1024 * 1024
  @width 640
  @height 260
  @left 64
  @bottom 220
  @themes [
    light: %{text: "#24292f", grid: "#d0d7de", bad: "#c4472d", good: "#1f7a6d"},
    dark: %{text: "#e6edf3", grid: "#3d444d", bad: "#ff8f73", good: "#4fd1bd"}
  ]

  def main(args) do
    csv = List.first(args) || measure()
    [machine | rows] = csv |> File.read!() |> String.split("\n", trim: true)
    rows = for row <- tl(rows), do: row |> String.split(",") |> List.to_tuple()
    series = for name <- ["without", "with"], do: {name, points(rows, name)}
    speed = "bench/results/*-speed.txt" |> Path.wildcard() |> Enum.max()

    for {theme, colours} <- @themes do
      File.write!("guides/images/resident-#{theme}.svg", resident(series, machine, colours))
      File.write!("guides/images/speed-#{theme}.svg", speed(speed, colours))
    end
  end

  defp points(rows, name) do
    for {^name, ms, mib} <- rows, do: {String.to_integer(ms), String.to_integer(mib)}
  end

  defp measure do
    path = "bench/results/#{Date.utc_today()}-resident.csv"
    balloon = "length(Enum.to_list(1..40_000_000))"
    limited = "Quota.try_run(64 * 1024 * 1024, fn -> #{balloon} end)"

    rows =
      for {name, code} <- [{"without", balloon}, {"with", limited}],
          {ms, bytes} <- watch(code),
          do: "#{name},#{ms},#{div(bytes, @mib)}\n"

    machine = "OTP #{System.otp_release()}, Elixir #{System.version()}, #{Date.utc_today()}"
    File.write!(path, [machine, "\nvm,milliseconds,MiB\n" | rows])
    path
  end

  # `[{milliseconds, bytes}]` of a VM that runs `code`, from when it begins until a second after it ends.
  defp watch(code) do
    code = ~s|IO.puts("begin"); #{code}; Process.sleep(1_000)|
    args = ["-pa", Path.join(Mix.Project.app_path(), "ebin"), "-e", code]

    port =
      Port.open({:spawn_executable, System.find_executable("elixir")}, [
        :binary,
        :exit_status,
        args: args
      ])

    {:os_pid, pid} = Port.info(port, :os_pid)
    receive do: ({^port, {:data, "begin" <> _}} -> :ok)
    samples(port, pid, System.monotonic_time(:millisecond), [])
  end

  defp samples(port, pid, began, samples) do
    receive do
      {^port, {:exit_status, _}} -> Enum.reverse(samples)
    after
      20 ->
        ms = System.monotonic_time(:millisecond) - began
        samples = if bytes = resident(pid), do: [{ms, bytes} | samples], else: samples
        samples(port, pid, began, samples)
    end
  end

  defp resident(pid), do: resident_of(File.read("/proc/#{pid}/status"))

  defp resident_of({:ok, text}) do
    with [_, kib] <- Regex.run(~r/RssAnon:\s+(\d+) kB/, text), do: String.to_integer(kib) * 1024
  end

  defp resident_of(_gone), do: nil

  defp resident(series, machine, colours) do
    all = Enum.flat_map(series, &elem(&1, 1))
    {last, _} = Enum.max_by(all, &elem(&1, 0))
    {_, highest} = Enum.max_by(all, &elem(&1, 1))
    x = fn ms -> @left + ms / last * (@width - @left - 20) end
    y = fn mib -> @bottom - mib / (highest * 1.1) * (@bottom - 50) end

    lines =
      for {name, points} <- series do
        colour = if name == "with", do: colours.good, else: colours.bad
        {top_ms, top} = Enum.max_by(points, &elem(&1, 1))

        path =
          Enum.map_join(points, " ", fn {ms, mib} -> "#{round(x.(ms))},#{round(y.(mib))}" end)

        label =
          if name == "with", do: "with a limit of 64 MiB: #{top} MiB", else: "without: #{top} MiB"

        [
          ~s(<polyline points="#{path}" fill="none" stroke="#{colour}" stroke-width="3"/>),
          label(name, label, {x.(top_ms), y.(top)}, x.(points |> List.last() |> elem(0)), colour)
        ]
      end

    svg([
      text(
        @left,
        22,
        "Resident memory of a node that builds a list of 40 million integers, MiB",
        colours.text,
        14
      ),
      text(@left, 40, machine, colours.text, 10),
      axis(colours),
      text(@left, @bottom + 18, "0 s", colours.text, 11),
      text(@width - 50, @bottom + 18, "#{Float.round(last / 1000, 1)} s", colours.text, 11),
      lines
    ])
  end

  # Above the peak, or behind the end of the shorter line.
  defp label("without", text, {x, y}, _end, colour), do: text(x - 40, y - 8, text, colour, 13)
  defp label("with", text, {_x, y}, last, colour), do: text(last + 8, y + 4, text, colour, 13)

  defp speed(path, colours) do
    text = File.read!(path)
    [machine | _] = String.split(text, "\n")
    [_, table] = String.split(text, "Ratios of CPU time\n", parts: 2)
    date = path |> Path.basename() |> String.slice(0, 10)

    rivals =
      table
      |> String.split("\n")
      |> Enum.drop_while(&(not String.contains?(&1, "rival")))
      |> Enum.drop(1)
      |> Enum.take_while(&(&1 != ""))
      |> Enum.map(&String.split/1)
      |> Enum.map(fn [name | figures] -> {name, figures |> Enum.at(5) |> String.to_float()} end)

    highest = rivals |> Enum.map(&elem(&1, 1)) |> Enum.max()

    bars =
      for {{name, ratio}, row} <- Enum.with_index([{"BoundedXml", 1.0} | rivals]) do
        at = 58 + row * 26
        width = max(ratio / highest * 380, 2)
        colour = if row == 0, do: colours.good, else: colours.bad

        [
          text(10, at + 13, name, colours.text, 12),
          ~s(<rect x="150" y="#{at}" width="#{round(width)}" height="18" fill="#{colour}"/>),
          text(158 + width, at + 13, "#{ratio}", colours.text, 12)
        ]
      end

    svg([
      text(
        10,
        22,
        "CPU time for the same XML, as a multiple of BoundedXml's (less is better)",
        colours.text,
        14
      ),
      text(10, 40, "Mean of five kinds of documents. #{date}, #{machine}", colours.text, 10),
      bars
    ])
  end

  defp axis(colours),
    do:
      ~s(<path d="M#{@left} 50 V#{@bottom} H#{@width - 20}" fill="none" stroke="#{colours.grid}"/>)

  defp text(x, y, text, colour, size) do
    ~s(<text x="#{round(x)}" y="#{round(y)}" fill="#{colour}" font-size="#{size}" font-family="sans-serif">#{text}</text>)
  end

  defp svg(parts) do
    [
      ~s(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 #{@width} #{@height}" width="#{@width}" height="#{@height}" role="img">\n),
      parts |> List.flatten() |> Enum.map(&[&1, ?\n]),
      "</svg>\n"
    ]
  end
end

Pictures.main(System.argv())
