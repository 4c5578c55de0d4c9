defmodule Bench.Escapes.Rows.Tables do
  # ETS tables and what else the VM keeps outside of processes.

  import Bench.Escapes.{Data, Row}

  @counted [count: [:ets]]

  @loop "few reductions for much memory: the VM ends it at its flag, 6 times the limit"
  @untold [until: 25, counted: false, ends: :returns, why: "the VM counts them from OTP 26 on"]

  def rows, do: counted() ++ handles() ++ uncounted()

  defp counted do
    [
      row("a counted table of lists", 1.5, [options: @counted], fn ->
        table = :ets.new(:rows, [])
        for i <- 1..700_000, do: :ets.insert(table, {i, Enum.to_list(1..60)})
        :ok
      end)
    ] ++
      for access <- [:public, :protected] do
        row("a counted #{access} table of 2000 binaries of 1 MB", 2.0, [options: @counted], fn ->
          binaries(:ets.new(:rows, [access]))
        end)
      end
  end

  defp handles do
    [
      row(
        "100 x :counters of 1 million",
        [{25, 8.0}, {27, 9.5}],
        [since: 26, why: @loop],
        &counters/0
      ),
      row(
        "100 x :atomics of 1 million",
        [{25, 8.0}, {27, 9.5}],
        [since: 26, why: @loop],
        &atomics/0
      ),
      row("100 x :counters of 1 million, not counted", 12.2, @untold, &counters/0),
      row("100 x :atomics of 1 million, not counted", 12.2, @untold, &atomics/0),
      row(
        "3000 zlib handles that deflate",
        4.5,
        [
          why: "memory of other people's native code; BoundedBinary.inflate/2 counts its own",
          counted: false,
          ends: :returns
        ],
        fn ->
          length(
            for _ <- 1..3_000 do
              zlib = :zlib.open()
              :ok = :zlib.deflateInit(zlib)
              zlib
            end
          )
        end
      ),
      row(
        "200,000 contexts of a hash",
        1.7,
        [why: "memory of other people's native code", counted: false, ends: :either],
        fn ->
          length(for _ <- 1..200_000, do: :crypto.hash_init(:sha256))
        end
      )
    ]
  end

  defp counters, do: length(for _ <- 1..100, do: :counters.new(1_000_000, []))
  defp atomics, do: length(for _ <- 1..100, do: :atomics.new(1_000_000, []))

  defp uncounted do
    [
      row(
        "a counted private table of 2000 binaries of 1 MB",
        31.0,
        [
          why: "nobody else can read a private table; make it protected",
          counted: false,
          ends: :returns,
          options: @counted
        ],
        fn -> binaries(:ets.new(:rows, [:private])) end
      ),
      row(
        "a table of 2 million tuples, not counted",
        15.0,
        [why: "as much as is put in; count: [:ets]", counted: false, ends: :returns],
        fn ->
          table = :ets.new(:rows, [])
          for i <- 1..2_000_000, do: :ets.insert(table, {i, :erlang.make_tuple(50, i)})
          :ok
        end
      ),
      row(
        ":persistent_term of lists and binaries",
        5.0,
        [
          why: "belongs to the node and outlives the work; the container's limit",
          counted: false,
          ends: :returns
        ],
        fn ->
          for i <- 1..20, do: :persistent_term.put({:list, i}, Enum.to_list(1..200_000) ++ [i])
          for i <- 1..200, do: :persistent_term.put({:binary, i}, {megabyte(), i})
          :ok
        end
      ),
      row(
        "300,000 atoms of 250 bytes",
        3.0,
        [why: "never freed; use String.to_existing_atom/1", counted: false, ends: :returns],
        fn ->
          for i <- 1..300_000, do: _ = String.to_atom(String.duplicate("z", 240) <> "#{i}")
          :ok
        end
      )
    ]
  end

  defp binaries(table) do
    for i <- 1..2_000, do: :ets.insert(table, {i, megabyte()})
    :ok
  end
end
