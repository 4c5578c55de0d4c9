defmodule Quota.Watchdog.Census.LooseTest do
  # Who is given the binaries that no process holds.
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Census
  alias Quota.Watchdog.Census.{Arrivals, Ets, Growth, ProcessFigures, Summary}

  @mib 1024 * 1024
  # Milliseconds that a slow machine may take: what arrives so much later has arrived lately in any case.
  @slow 60_000

  # A census on a node where `unheld` bytes of binaries belong to no process, and `pid` has `queue` messages of 100 bytes. Another process
  # grew by `grown` bytes of heap.
  defp census(pid, queue, unheld, grown) do
    figures = %ProcessFigures{pid: pid, bytes: 4_096, binaries: 0, queue: queue}
    other = %ProcessFigures{pid: :c.pid(0, 1, 0), bytes: grown, binaries: 0, queue: 0}
    growth = %{Growth.new(256 * @mib) | suspects: %{pid => figures, other.pid => other}}

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
    me = self()
    candidates = Summary.new(census, 0).candidates
    hd(for %{kind: :process, pid: ^me, mailbox: bytes} <- candidates, do: bytes)
  end

  defp now, do: System.monotonic_time(:millisecond)

  test "binaries that nothing else holds are in the mailbox in which messages arrive" do
    census = self() |> census(100, 60 * @mib, 80 * @mib) |> Summary.unheld()
    now = now()
    assert census |> arrived(self(), [{now, 10}, {now + @slow, 100}]) |> mailbox() > 60 * @mib
    # Its messages alone, where they have waited for long, or where few have come.
    assert census |> arrived(self(), [{now, 100}, {now + @slow, 100}]) |> mailbox() == 10_000
    assert census |> arrived(self(), [{now, 90}, {now + @slow, 100}]) |> mailbox() == 10_000

    assert census |> arrived(self(), [{now - 9_000, 10}, {now - 8_000, 100}]) |> mailbox() ==
             10_000

    assert mailbox(census) == 10_000
    # Nothing else can have made them.
    assert self() |> census(100, 60 * @mib, 50 * @mib) |> Summary.unheld() |> mailbox() >
             60 * @mib

    assert self() |> census(31, 60 * @mib, 50 * @mib) |> Summary.unheld() |> mailbox() == 3_100
  end

  test "on a node that has just started, they count from the first totals on" do
    first = %{binary: 20 * @mib, persistent: 0}
    later = %{binary: 90 * @mib, persistent: 0}
    census = %{census(self(), 100, 0, 0) | before: nil, totals: nil}
    now = now()
    census = census |> arrived(self(), [{now, 10}, {now + @slow, 100}])
    census = Summary.note_totals(census, first)
    assert {census.before, Summary.loose(census)} == {first, 0}
    # What was there at first does not count.
    census = Summary.note_totals(%{census | unheld: []}, later)
    assert {census.before, census.totals, Summary.loose(census)} == {first, later, 70 * @mib}
    assert mailbox(census) > 70 * @mib
  end

  test "binaries that are being made are in no mailbox" do
    now = now()

    # The bytes without a holder that were noted `ago` milliseconds before those of now.
    after_bytes = fn bytes, ago ->
      census(self(), 100, 60 * @mib, 80 * @mib)
      |> arrived(self(), [{now, 10}, {now + @slow, 100}])
      |> Map.put(:unheld, [{now - ago, bytes}])
      |> Summary.unheld(now)
      |> mailbox()
    end

    # As between two files that are read.
    assert after_bytes.(0, 20) == 10_000
    assert after_bytes.(50 * @mib, 20) > 50 * @mib
    # Long ago does not count.
    assert after_bytes.(0, 900) > 60 * @mib
  end

  test "a private table has none of them unless rows arrive in it, or nothing else grew as much" do
    table = :ets.new(:private, [:private])
    :ets.insert(table, {1, 1})
    calm = Ets.look(%Ets{}, true)
    :ets.insert(table, {2, 2})
    waiting = calm |> Ets.look(false) |> Ets.look(false)
    assert binaries(waiting, table, true) == 0
    assert binaries(waiting, table, false) == 60 * @mib
    :ets.insert(table, {3, 3})
    assert waiting |> Ets.look(false) |> binaries(table, true) == 60 * @mib
    # A sample of its rows cannot be read.
    :ets.delete(table)
  end

  # Other tests have tables too.
  defp binaries(tables, table, doubted) do
    grown = Enum.filter(tables.grown, &(elem(&1, 2) == table))
    tables = %{tables | grown: grown, sampled: %{table => {1, :unknown}}}
    [{_, _, %{binaries: binaries}}] = Ets.grown(tables, 60 * @mib, doubted)
    binaries
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
