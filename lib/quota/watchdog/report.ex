defmodule Quota.Watchdog.Report do
  @moduledoc false
  # The report of the black box: figures, the culprit, what else grew, and the Doctor's findings, as a map and as a text of less than
  # 64 KiB. Of mailboxes it has the length and the bytes, never the messages.

  alias Bounded.Format

  @longest 60_000
  @others 5
  @inspected [limit: 10, printable_limit: 100]

  @doc "Builds the report. `captured` is what the culprit answered to `BlackBox.capture/4`, or nil."
  def new(figures, candidate, others, outcome, captured, {findings, examined}) do
    culprit = candidate && described(candidate, captured)
    others = others |> Enum.take(@others) |> Enum.map(&described(&1, nil))

    report = %{
      outcome: outcome,
      enforced: figures.mode == :enforce,
      figures: figures,
      culprit: culprit,
      others: others,
      findings: findings
    }

    Map.put(report, :text, text(report, examined))
  end

  def measurements(report),
    do: Map.take(report.figures, [:used, :limit, :line, :growth, :pending])

  def level(%{outcome: outcome}) when outcome in [:ended, :critical, :nothing_to_end], do: :error
  def level(_report), do: :warning

  defp described(candidate, captured) do
    identity = (captured && captured.identity) || candidate[:identity]

    %{
      kind: candidate.kind,
      pid: candidate[:pid],
      grown: candidate.grown,
      copy: candidate.copy,
      bytes: candidate.bytes,
      name: identity && identity.name,
      initial_call: (identity && identity.call) || candidate[:call],
      ancestors: (identity && identity.ancestors) || [],
      label: identity && identity.label,
      parent: candidate[:parent],
      queue: (captured && captured.queue) || candidate[:queue],
      mailbox: candidate[:mailbox],
      stack: captured && captured.stack,
      table: candidate[:table],
      group: candidate[:key],
      count: candidate[:count]
    }
  end

  defp text(report, examined) do
    [
      heading(report),
      figures(report.figures),
      culprit(report.culprit),
      others(report.others),
      findings(report.findings, examined)
    ]
    |> Enum.join("\n")
    |> shortened()
  end

  defp shortened(text) when byte_size(text) <= @longest, do: text
  defp shortened(text), do: String.slice(text, 0, div(@longest, 4)) <> " ..."

  defp heading(%{outcome: :ended, culprit: culprit}),
    do: "Quota.Watchdog ended #{subject(culprit)}, before the kernel would have killed the node"

  defp heading(%{outcome: :observed, culprit: culprit}),
    do:
      "Quota.Watchdog would have ended #{subject(culprit)}. It goes on (mode: :observe), and the kernel may kill the node"

  defp heading(%{outcome: :refused, culprit: culprit}),
    do: "the handle: function of Quota.Watchdog refused to end #{subject(culprit)}"

  defp heading(%{outcome: :nothing_to_end}),
    do:
      "Quota.Watchdog ends nothing: no process grew enough that may be ended. The kernel may kill the node"

  defp heading(%{outcome: :critical}), do: "Quota.Watchdog: the node's memory is almost used up"

  defp figures(figures) do
    [
      "  in use #{Format.bytes(figures.used)} of #{Format.bytes(figures.limit)} (#{source(figures.source)}), " <>
        "line at #{Format.bytes(figures.line)}, #{Format.bytes(figures.pending)} about to be taken, " <>
        "growing by #{Format.bytes(figures.growth)} a second; #{Format.bytes(figures.calm)} when it was last calm",
      totals(figures.totals),
      if(figures.high, do: "\n  memory.high #{Format.bytes(figures.high)}", else: ""),
      events(figures.events)
    ]
  end

  defp source(:machine), do: "the machine"
  defp source(_group), do: "control group"

  defp totals(nil), do: ""

  defp totals(totals) do
    "\n  the VM: processes #{Format.bytes(totals.processes)}, binaries #{Format.bytes(totals.binary)}, " <>
      "ETS #{Format.bytes(totals.ets)}, persistent terms #{Format.bytes(totals.persistent)}, " <>
      "#{Format.bytes(totals.total)} in all"
  end

  defp events(events) do
    for {key, count} <- events, count > 0, do: "\n  memory.events #{key} #{count}"
  end

  defp culprit(nil), do: "  culprit: none"

  defp culprit(culprit) do
    [
      "  culprit: #{subject(culprit)}",
      growth(culprit),
      lasting(culprit.kind),
      ancestors(culprit.ancestors),
      if(culprit.label, do: "\n    label #{inspect(culprit.label, @inspected)}", else: ""),
      mailbox(culprit),
      table(culprit.table),
      stack(culprit.stack)
    ]
  end

  defp growth(culprit) do
    "\n    grew by #{Format.bytes(culprit.grown)} to #{Format.bytes(culprit.bytes)}" <>
      if(culprit.copy > 0,
        do: ", and its next garbage collection would have taken #{Format.bytes(culprit.copy)}",
        else: ""
      )
  end

  defp lasting(:persistent_terms),
    do: "\n    this memory does not come back when it ends: persistent terms have no owner"

  defp lasting(_kind), do: ""

  defp ancestors([]), do: ""

  defp ancestors(ancestors),
    do: "\n    ancestors #{Enum.map_join(ancestors, ", ", &inspect(&1, @inspected))}"

  defp mailbox(%{queue: queue} = culprit) when is_integer(queue) and queue > 0 do
    "\n    #{queue} messages wait" <>
      if((culprit.mailbox || 0) > 0, do: ", of about #{Format.bytes(culprit.mailbox)}", else: "")
  end

  defp mailbox(_culprit), do: ""

  defp table(nil), do: ""

  defp table(table) do
    "\n    ETS table #{inspect(table.name, @inspected)} of #{table.rows} rows, #{Format.bytes(table.bytes)}, " <>
      "binaries #{Format.bytes(table.binaries)}"
  end

  defp stack(nil), do: ""

  defp stack(stack),
    do:
      for(
        entry <- stack,
        do: "\n    " <> String.slice(Exception.format_stacktrace_entry(entry), 0, 200)
      )

  defp others([]), do: "  nothing else grew much"

  defp others(others) do
    ["  others that grew:" | Enum.map(others, &"\n    #{subject(&1)}: #{Format.bytes(&1.grown)}")]
  end

  defp findings([], nil), do: "  the Doctor has not examined this node yet"
  defp findings([], examined), do: "  the Doctor found nothing #{ago(examined)}"

  defp findings(findings, examined) do
    [
      "  the Doctor's findings #{ago(examined)}:"
      | Enum.map(findings, fn {severity, id, summary} -> "\n    #{severity} #{id}: #{summary}" end)
    ]
  end

  defp ago(examined), do: "#{System.monotonic_time(:second) - examined} seconds ago"

  defp subject(%{kind: :group, group: {:parent, parent}, count: count}),
    do: "the youngest of #{count} processes started by #{inspect(parent)}"

  defp subject(%{kind: :group, group: {:call, {module, function, arity}}, count: count}),
    do: "the youngest of #{count} processes of #{Exception.format_mfa(module, function, arity)}"

  defp subject(%{kind: :persistent_terms} = culprit),
    do: "the writer of persistent terms, #{process(culprit)}"

  defp subject(%{kind: :table} = culprit), do: "the owner of an ETS table, #{process(culprit)}"
  defp subject(%{kind: :port} = culprit), do: "the user of a port program, #{process(culprit)}"
  defp subject(%{kind: :quota} = culprit), do: "a process over its quota, #{process(culprit)}"
  defp subject(culprit), do: "the process #{process(culprit)}"

  defp process(culprit),
    do: "#{inspect(culprit.pid)}#{name(culprit)}#{call(culprit.initial_call)}"

  defp name(%{name: name}) when is_atom(name) and name != nil, do: " #{inspect(name)}"
  defp name(_culprit), do: ""

  defp call({module, function, arity}) when is_atom(module) and is_atom(function),
    do: " (#{Exception.format_mfa(module, function, arity)})"

  defp call(_none), do: ""
end
