defmodule Bounded.Doctor do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Finds what threatens a node's memory, and says what to do about each finding.

  In a project, `mix bounded.doctor`. In a release, which has no Mix tasks:

      bin/app rpc "Bounded.Doctor.report()"

  From a connected node, `Bounded.Doctor.report(:"app@host")`. The other node needs nothing of this library: any Erlang node of OTP
  24 or later can be examined, such as one of RabbitMQ, since only built-in functions are called there.

  It examines

    * the machine: the control group's limit against physical memory, `memory.high`, overcommit, swap, the OOM killer's score;
    * resident memory as a sum, each part with its source, and the rest as not explained;
    * the allocators: memory that the VM took from the system and does not use;
    * native memory that this library charged, by quota, and orphans;
    * processes: large heaps, binaries that are held, each counted once, long mailboxes, many processes that are alike;
    * ETS tables, persistent terms, atoms;
    * ports: their queues, and the programs that they run;
    * which protections the OTP release has.

  It only reads, unless `collect: true` is given. It traces no process. An examination of 100,000 processes takes less than 3
  seconds of CPU time.

  A finding is a figure over a threshold, and may be intended. A node without findings may still be short of memory: see
  `Quota.Pressure`. The [guide to the Doctor](doctor.md) has a row for each finding: its cause and what to do.
  """

  alias Bounded.Doctor.{
    Allocators,
    Balance,
    Ets,
    Finding,
    Machine,
    NativeMemory,
    Ports,
    Processes,
    Protections
  }

  alias Bounded.Facts
  alias Bounded.Facts.Probe

  @typedoc "What `examine/2` returns: the node, facts as pairs of name and text, and findings, worst first."
  @type report :: %{
          node: node,
          facts: [{String.t(), String.t()}],
          findings: [Finding.t()]
        }

  @typedoc "An option of `examine/2` and `report/2`."
  @type option :: {:collect, boolean}

  @doc """
  Prints what `examine/2` finds on `node`, worst first, with the remedies.

  Raises as `examine/2` does.
  """
  @spec report(node, [option]) :: :ok
  def report(node \\ node(), opts \\ []), do: node |> examine(opts) |> format() |> IO.write()

  @doc """
  Prints one frame of what `mix bounded.top` shows: memory by kind, pressure, quotas, pools, and what grew in one second.

  Raises `ErlangError` (`{:erpc, :noconnection}`) if `node` cannot be reached.

      Bounded.Doctor.top()
      Bounded.Doctor.top(:"rabbit@host")
  """
  @spec top(node) :: :ok
  def top(node \\ node()), do: node |> Bounded.Top.frame() |> IO.write()

  @doc """
  Returns what threatens the memory of `node` as data: facts as text, and findings, worst first.

    * `:collect` - `true` runs a garbage collection of each process (at most five) that holds many binaries, to tell garbage from
      binaries in use; default `false`. A collection of a large heap takes time and memory

  Raises `ErlangError` (`{:erpc, :noconnection}`) if `node` cannot be reached, and `ArgumentError` for an unknown option or a node whose
  VM does not report its memory (an allocator is switched off there: `+Mea min`).

      iex> %{findings: findings} = Bounded.Doctor.examine()
      iex> Enum.all?(findings, &is_struct(&1, Bounded.Doctor.Finding))
      true
  """
  @spec examine(node, [option]) :: report
  def examine(node \\ node(), opts \\ []) do
    opts = Keyword.validate!(opts, collect: false)
    node |> Probe.new() |> examine_with(opts[:collect])
  end

  @doc false
  # Files of the kernel are read below `root`, for tests on recorded files.
  def examine_below(root, collect \\ false),
    do: node() |> Probe.new(root) |> examine_with(collect)

  defp examine_with(probe, collect) do
    facts = Facts.gather(probe)
    collected = if collect, do: collect(probe, facts), else: %{}

    seen =
      for(family <- [Machine, Balance, Allocators, NativeMemory], do: family.examine(facts)) ++
        [Processes.examine(facts, collected)] ++
        for family <- [Ets, Ports, Protections], do: family.examine(facts)

    %{
      node: probe.node,
      facts: Enum.flat_map(seen, &elem(&1, 0)),
      findings: seen |> Enum.flat_map(&elem(&1, 1)) |> Enum.sort_by(&Finding.rank/1)
    }
  end

  # Bytes of binaries that a collection of each process freed.
  defp collect(probe, facts) do
    for pid <- Processes.worth_collecting(facts), into: %{} do
      {before, _} = Facts.Processes.unique(probe, pid)
      Probe.call(probe, :erlang, :garbage_collect, [pid])
      {afterwards, _} = Facts.Processes.unique(probe, pid)
      {pid, max(before - afterwards, 0)}
    end
  end

  @doc """
  Formats a report of `examine/2` as text.

      iex> report = %{node: :"app@host", facts: [{"atoms", "9"}], findings: []}
      iex> report |> Bounded.Doctor.format() |> IO.iodata_to_binary()
      "Memory of app@host\\n\\natoms  9\\n\\nNothing found.\\n"
  """
  @spec format(report) :: iodata
  def format(report) do
    width = report.facts |> Enum.map(fn {name, _} -> String.length(name) end) |> Enum.max()

    facts =
      for {name, text} <- report.facts, do: [String.pad_trailing(name, width + 2), text, ?\n]

    ["Memory of #{report.node}\n\n", facts, ?\n, format_findings(report.findings)]
  end

  defp format_findings([]), do: "Nothing found.\n"
  defp format_findings(findings), do: Enum.map(findings, &[Finding.format(&1), ?\n])

  @doc ~S"""
  Formats a report of `examine/2` as JSON, with `node`, `facts` (a list of `[name, text]`) and `findings` (objects with the fields
  of `Bounded.Doctor.Finding`).

      iex> report = %{node: :"app@host", facts: [{"atoms", "\"9\""}], findings: []}
      iex> report |> Bounded.Doctor.to_json() |> IO.iodata_to_binary()
      ~S({"node":"app@host","facts":[["atoms","\"9\""]],"findings":[]})
  """
  @spec to_json(report) :: iodata
  def to_json(report) do
    facts = for {name, text} <- report.facts, do: [?[, string(name), ?,, string(text), ?]]
    findings = Enum.map(report.findings, &finding/1)

    [
      ~s({"node":),
      string(report.node),
      ~s(,"facts":[),
      Enum.intersperse(facts, ?,),
      ~s(],"findings":[),
      Enum.intersperse(findings, ?,),
      "]}"
    ]
  end

  defp finding(finding) do
    [
      ~s({"id":),
      string(finding.id),
      ~s(,"severity":),
      string(finding.severity),
      ~s(,"figure":),
      to_string(finding.figure),
      ~s(,"summary":),
      string(finding.summary),
      ~s(,"remedy":),
      string(finding.remedy),
      ?}
    ]
  end

  defp string(text) do
    escaped = for <<char::utf8 <- to_string(text)>>, into: "", do: escape(char)
    [?", escaped, ?"]
  end

  defp escape(?"), do: ~S(\")
  defp escape(?\\), do: ~S(\\)

  defp escape(char) when char < 0x20,
    do: "\\u" <> (char |> Integer.to_string(16) |> String.pad_leading(4, "0"))

  defp escape(char), do: <<char::utf8>>
end
