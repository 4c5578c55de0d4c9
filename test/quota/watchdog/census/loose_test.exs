defmodule Quota.Watchdog.Census.LooseTest do
  # Who is given the binaries that no process holds.
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Census
  alias Quota.Watchdog.Census.{Arrivals, Ets, Growth, ProcessFigures, Summary}

  @mib 1024 * 1024

  # A census on a node where `unheld` bytes of binaries belong to no process, and `pid` has `queue` messages of 100 bytes.
  defp census(pid, queue, unheld) do
    figures = %ProcessFigures{pid: pid, bytes: 4_096, binaries: 0, queue: queue}
    growth = %{Growth.new(256 * @mib) | suspects: %{pid => figures}}

    %Census{
      growth: growth,
      tables: %Ets{},
      before: %{binary: 0},
      totals: %{binary: unheld},
      mailboxes: %{pid => {queue, queue * 100}}
    }
  end

  defp arrived(census, key, counts) do
    arrivals =
      Enum.reduce(counts, census.arrivals, fn {now, count}, arrivals ->
        Arrivals.note(arrivals, key, count, now)
      end)

    %{census | arrivals: arrivals}
  end

  defp mailbox(census) do
    [%{kind: :process, mailbox: bytes}] = Summary.new(census, 0).candidates
    bytes
  end

  defp now, do: System.monotonic_time(:millisecond)

  test "binaries that nothing else holds are in the mailbox in which messages arrive" do
    census = self() |> census(100, 60 * @mib) |> Summary.unheld()
    now = now()
    assert census |> arrived(self(), [{now - 500, 10}, {now, 100}]) |> mailbox() > 60 * @mib
    # Its messages alone, where they have waited for long, or where few have come.
    assert census |> arrived(self(), [{now - 500, 100}, {now, 100}]) |> mailbox() == 10_000
    assert census |> arrived(self(), [{now - 500, 90}, {now, 100}]) |> mailbox() == 10_000

    assert census |> arrived(self(), [{now - 9_000, 10}, {now - 8_000, 100}]) |> mailbox() ==
             10_000

    assert mailbox(census) == 10_000
  end

  test "binaries that are being made are in no mailbox" do
    now = now()
    census = census(self(), 100, 60 * @mib)
    arrived = arrived(census, self(), [{now - 500, 10}, {now, 100}])
    # Twenty milliseconds ago there were none, as between two files that are read.
    assert %{arrived | unheld: [{now - 20, 0}]} |> Summary.unheld() |> mailbox() == 10_000

    assert %{arrived | unheld: [{now - 20, 50 * @mib}]} |> Summary.unheld() |> mailbox() >
             50 * @mib

    # Long ago does not count.
    assert %{arrived | unheld: [{now - 900, 0}]} |> Summary.unheld() |> mailbox() > 60 * @mib
  end

  test "a private table has none of them unless rows arrive in it" do
    table = :ets.new(:private, [:private])
    :ets.insert(table, {1, 1})
    calm = Ets.look(%Ets{}, true)
    :ets.insert(table, {2, 2})
    waiting = calm |> Ets.look(false) |> Ets.look(false)
    assert binaries(waiting, table) == 0
    :ets.insert(table, {3, 3})
    assert waiting |> Ets.look(false) |> binaries(table) == 60 * @mib
    # A sample of its rows cannot be read.
    :ets.delete(table)
  end

  defp binaries(tables, table) do
    rows = for {_, _, size, _, _} <- tables.grown, do: size
    sampled = Map.new(rows, &{&1, {1, :unknown}})

    found =
      for {_, _, %{table: ^table} = row} <- Ets.grown(%{tables | sampled: sampled}, 60 * @mib),
          do: row

    hd(found).binaries
  end

  test "counts are kept of what is still looked at" do
    arrivals =
      %{} |> Arrivals.note(:a, 1, 0) |> Arrivals.note(:b, 1, 0) |> Arrivals.keep([:b, :c])

    assert Map.keys(arrivals) == [:b]
    # A mailbox that was emptied begins anew.
    emptied = arrivals |> Arrivals.note(:b, 0, 1) |> Arrivals.note(:b, 32, 2)
    assert Arrivals.lately?(emptied, :b, 32, 3)
    refute Arrivals.lately?(emptied, :b, 33, 3)
    refute Arrivals.lately?(emptied, :b, 32, 2_003)
  end
end
