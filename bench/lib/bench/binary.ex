defmodule Bench.Binary do
  @moduledoc """
  BoundedBinary against what the standard library does: ratios of CPU time, in turns, in a VM of its own.

  Copies are let go of at once, so that a ratio includes what it costs to free them.
  """

  alias Bench.{Measure, Node}

  @enough_ms 200

  @kib 1024
  @mib 1024 * 1024
  @sizes [
    64,
    128,
    1 * @kib,
    4 * @kib,
    16 * @kib,
    64 * @kib,
    128 * @kib,
    256 * @kib,
    384 * @kib,
    512 * @kib,
    640 * @kib,
    @mib,
    16 * @mib
  ]
  @fields [20, 100, 1_000]

  @doc "`[{name, goal, ratio, our nanoseconds, theirs}]`, medians of `rounds` rounds."
  def run(rounds), do: Node.with_node(&Node.call(&1, __MODULE__, :measure, [rounds]))

  @doc false
  def measure(rounds) do
    for {name, goal, ours, theirs} <- comparisons() do
      times = max(times(ours), times(theirs))

      {our_ms, their_ms} =
        Enum.unzip(for _ <- 1..rounds, do: {cpu_ms(ours, times), cpu_ms(theirs, times)})

      {our_ms, their_ms} = {Measure.median(our_ms), Measure.median(their_ms)}
      {name, goal, our_ms / their_ms, our_ms * 1.0e6, their_ms * 1.0e6}
    end
  end

  @doc "The figures as a table."
  def table(results) do
    heading = ["", "ratio", "goal", "ours, ns", "theirs, ns", ""]

    lines =
      for {name, goal, ratio, ours, theirs} <- results do
        verdict = if ratio <= goal, do: "", else: "over"
        [name, decimal(ratio), decimal(goal), "#{round(ours)}", "#{round(theirs)}", verdict]
      end

    for [name | figures] <- [heading | lines] do
      [String.pad_trailing(name, 34), Enum.map(figures, &String.pad_leading(&1, 12)), ?\n]
    end
  end

  defp comparisons, do: copies() ++ slices() ++ fields() ++ terms()

  defp copies do
    for size <- @sizes do
      binary = :binary.copy("x", size)
      goal = if size <= 4 * @kib, do: 1.5, else: 1.1

      {"copy/1, #{size} bytes", goal, fn -> BoundedBinary.copy(binary) end,
       fn -> :binary.copy(binary) end}
    end
  end

  defp slices do
    body = :binary.copy("x", 2 * @mib)

    for size <- [64, 4 * @kib, @mib] do
      goal = if size <= 4 * @kib, do: 1.5, else: 1.1

      {"slice/3, #{size} bytes", goal, fn -> BoundedBinary.slice(body, 1_000, size) end,
       fn -> :binary.copy(:binary.part(body, 1_000, size)) end}
    end
  end

  defp fields do
    body = :binary.copy("x", @mib)

    Enum.flat_map(@fields, fn size ->
      positions = for n <- 1..20, do: {n * 1_000, size}

      one_by_one = fn ->
        for {at, len} <- positions, do: :binary.copy(:binary.part(body, at, len))
      end

      [
        {"slices/3, 20 of #{size}", 1.0, fn -> BoundedBinary.slices(body, positions) end,
         one_by_one},
        {"slices/3, 20 of #{size}, shared", 1 / 3,
         fn -> BoundedBinary.slices(body, positions, shared: true) end, one_by_one}
      ]
    end)
  end

  # Nothing to do in any of them.
  defp terms do
    terms = [
      {"integers", Enum.to_list(1..10_000)},
      {"tuples", for(n <- 1..2_000, do: {n, :row, "abc", 1.5})},
      {"maps", for(n <- 1..2_000, do: %{id: n, name: "name", ok: true})},
      {"a map of 5,000", Map.new(1..5_000, &{&1, &1})},
      {"strings", for(n <- 1..5_000, do: "string number #{n}")},
      {"structs", List.duplicate(DateTime.utc_now(), 1_000)},
      {"a deep list", Enum.reduce(1..5_000, [], fn n, list -> [n, [list]] end)}
    ]

    for {name, term} <- terms do
      {"compact/2, #{name}", 3.0, fn -> BoundedBinary.compact(term) end,
       fn -> :erlang.phash2(term) end}
    end
  end

  # As many as take long enough to be measured.
  defp times(fun, tried \\ 10) do
    case cpu_ms(fun, tried) * tried do
      ms when ms < 50 -> times(fun, tried * 3)
      ms -> ceil(@enough_ms * tried / ms)
    end
  end

  defp cpu_ms(fun, times) do
    %{cpu_ms: cpu_ms} = Measure.run(fun, times)
    cpu_ms
  end

  defp decimal(number), do: :erlang.float_to_binary(number / 1, decimals: 2)
end
