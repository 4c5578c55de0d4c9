defmodule Bench.Innocent.Kinds.References do
  # Many references to few bytes.

  import Bench.Innocent.{Kind, Work}

  @mib 1_048_576
  # 3.4 MB if it were copied.
  @constant Enum.map(1..50_000, &{&1, "ten bytes."})
  @row %{
    author: %{loaded: false, field: :author},
    tags: %{loaded: false, field: :tags},
    notes: "nothing is known about this row yet",
    allowed: ~w(read write list delete share rename move copy lock unlock)a ++ Enum.to_list(1..20)
  }
  @counted "160 references, of which the VM counts each in full: 10 times the limit, and its own limit is 6 times"

  def kinds do
    [
      kind("40 references to a binary of 1 MB, and a file written 200 times", fn ->
        references_and_file(200)
      end),
      kind("16 references to a binary of a quarter of the limit", fn ->
        parts = received(:binary.copy(<<0>>, 4 * @mib), 16)
        churn(20)
        length(parts)
      end),
      kind("16 references to a binary of a quarter of the limit, collected each time", fn ->
        parts = received(:binary.copy(<<0>>, 4 * @mib), 16)
        for _ <- 1..10, do: :erlang.garbage_collect()
        length(parts)
      end),
      kind(
        "half of the limit: a list of a quarter, then 16 references to a binary of a quarter",
        [limit: 64 * @mib],
        fn ->
          list = Enum.to_list(1..1_000_000)
          parts = received(:binary.copy(<<0>>, 16 * @mib), 16)
          churn(500)
          {length(list), length(parts)}
        end
      ),
      kind("60 lookups of a page of 1 MiB in ETS", [setup: &cache/0], fn table ->
        pages = for _ <- 1..60, do: :ets.lookup_element(table, :page, 2)
        churn(20)
        length(pages)
      end),
      kind(
        "60 lookups of a page of 1 MiB in ETS, kept while others are read",
        [setup: &cache/0, documented: {26, @counted}],
        fn table ->
          pages = for _ <- 1..60, do: :ets.lookup(table, :page)
          for _ <- 1..100, do: drop(:ets.lookup(table, :page))
          length(pages)
        end
      ),
      kind(
        "60 references to a page of 1 MiB in :persistent_term",
        [setup: &persistent/0],
        fn key ->
          pages = received(:persistent_term.get(key), 60)
          churn(20)
          length(pages)
        end
      ),
      kind(
        "a constant of 3.4 MB, captured and returned",
        [limit: @mib, setup: &constant/0],
        fn it ->
          {length(it), it}
        end
      ),
      kind(
        "rows that refer to constants, a third of the limit, returned",
        [limit: 3 * @mib],
        fn ->
          for id <- 1..8_000, do: Map.put(@row, :id, id)
        end
      ),
      kind("1000 slices of a binary of 5 MB", fn ->
        source = :binary.copy("abcde", 1_000_000)
        slices = for i <- 0..999, do: binary_part(source, i * 5_000, 5_000)
        churn(20)
        length(slices)
      end),
      kind(
        "a binary of 5 MB in 20 counted children",
        [options: [count: [:children]]],
        fn ->
          source = :binary.copy("abcde", 1_000_000)
          tasks = for i <- 1..20, do: Task.async(fn -> :binary.at(source, i) end)
          tasks |> Task.await_many() |> length()
        end
      ),
      kind(
        "a binary of 5 MB that was captured",
        [setup: fn -> :binary.copy("abcde", 1_000_000) end],
        fn source ->
          for(i <- 1..1_000, do: binary_part(source, i, 100)) |> length()
        end
      )
    ]
  end

  defp churn(times), do: for(_ <- 1..times, do: drop(Enum.to_list(1..5_000)))

  defp cache do
    table = :ets.new(:cache, [:public])
    :ets.insert(table, {:page, :binary.copy("p", @mib)})
    table
  end

  defp constant, do: @constant

  defp persistent do
    :persistent_term.put(__MODULE__, :binary.copy("p", @mib))
    __MODULE__
  end
end
