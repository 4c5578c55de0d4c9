defmodule Quota.Watchdog.ReportTest do
  # The text for the person on call, by what was ended.
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Report

  @mib 1024 * 1024

  defp figures(fields) do
    Map.merge(
      %{
        mode: :enforce,
        used: 95 * @mib,
        limit: 100 * @mib,
        source: :cgroup_v2,
        line: 90 * @mib,
        pending: @mib,
        growth: 2 * @mib,
        calm: 20 * @mib,
        totals: nil,
        high: nil,
        events: %{}
      },
      fields
    )
  end

  defp candidate(fields \\ %{}),
    do:
      Map.merge(
        %{kind: :process, pid: self(), grown: 70 * @mib, copy: 0, bytes: 80 * @mib},
        fields
      )

  defp text(candidate, options \\ []) do
    Report.new(
      figures(options[:figures] || %{}),
      candidate,
      options[:others] || [],
      options[:outcome] || :ended,
      nil,
      options[:findings] || {[], nil}
    ).text
  end

  test "names what was ended by its kind" do
    own = inspect(self())

    for {fields, subject} <- [
          {%{}, "the process #{own}"},
          {%{kind: :table}, "the owner of an ETS table, #{own}"},
          {%{kind: :port}, "the user of a port program, #{own}"},
          {%{kind: :quota}, "a process over its quota, #{own}"},
          {%{kind: :persistent_terms}, "the writer of persistent terms, #{own}"},
          {%{kind: :group, key: {:parent, self()}, count: 7},
           "the youngest of 7 processes started by #{own}"},
          {%{kind: :group, key: {:call, {Jobs, :run, 2}}, count: 8},
           "the youngest of 8 processes of Jobs.run/2"}
        ] do
      assert text(candidate(fields)) =~ "Quota.Watchdog ended #{subject}, before the kernel"

      assert text(candidate(fields), outcome: :refused) =~
               "the handle: function of Quota.Watchdog refused to end #{subject}"

      assert text(candidate(fields), outcome: :observed) =~
               "would have ended #{subject}. It goes on"
    end
  end

  test "has the figures by which it was judged, and their source" do
    assert text(candidate()) =~ "in use 95 MiB of 100 MiB (control group), line at 90 MiB"

    machine =
      text(candidate(), figures: %{source: :machine, high: 9 * @mib, events: %{oom: 2, max: 0}})

    assert machine =~ "95 MiB of 100 MiB (the machine)"
    assert machine =~ "memory.high 9 MiB"
    assert machine =~ "memory.events oom 2"
    refute machine =~ "memory.events max"

    totals = %{
      processes: @mib,
      binary: 2 * @mib,
      ets: 3 * @mib,
      persistent: 4 * @mib,
      total: 5 * @mib
    }

    assert text(candidate(), figures: %{totals: totals}) =~ "persistent terms 4 MiB, 5 MiB in all"
    refute text(candidate()) =~ "the VM:"
  end

  test "has the culprit's growth, mailbox and name, and says where its memory stays" do
    identity = %{name: :importer, call: {Jobs, :run, 2}, ancestors: [:sup], label: "nightly"}
    grown = candidate(%{copy: 8 * @mib, queue: 300, mailbox: 4 * @mib, identity: identity})
    text = text(grown)
    assert text =~ "#{inspect(self())} :importer (Jobs.run/2)"

    assert text =~
             "grew by 70 MiB to 80 MiB, and its next garbage collection would have taken 8 MiB"

    assert text =~ "300 messages wait, of about 4 MiB"
    assert text =~ "ancestors :sup"
    assert text =~ ~s(label "nightly")

    assert text(candidate(%{queue: 300})) =~ ~r/300 messages wait$/m
    refute text(candidate()) =~ "messages wait"
    assert text(candidate(%{kind: :persistent_terms})) =~ "does not come back when it ends"
  end

  test "says what else grew, what the Doctor found, and that there is no culprit" do
    assert text(nil, outcome: :nothing_to_end) =~ "culprit: none"
    assert text(candidate()) =~ "the Doctor has not examined this node yet"
    now = System.monotonic_time(:second)

    assert text(candidate(), findings: {[], now - 5}) =~
             ~r/the Doctor found nothing [56] seconds ago/

    found = text(candidate(), findings: {[{:critical, :mailbox, "20000 messages"}], now})
    assert found =~ "critical mailbox: 20000 messages"

    others = for n <- 1..7, do: candidate(%{grown: n * @mib})
    assert text(candidate(), others: others) =~ "others that grew:"

    assert length(
             Regex.scan(~r/the process #{inspect(self())}: /, text(candidate(), others: others))
           ) == 5

    assert text(candidate()) =~ "nothing else grew much"
  end

  test "is cut where it would not fit in a log line" do
    findings = for n <- 1..400, do: {:warning, :mailbox, String.duplicate("x", 200) <> "#{n}"}
    text = text(candidate(), findings: {findings, System.monotonic_time(:second)})
    assert byte_size(text) < 64 * 1024
    assert String.ends_with?(text, " ...")
  end
end
