defmodule Bounded.Doctor do
  @moduledoc """
  What threatens this node's memory: each finding with its figure and the remedy.

  In a release, which has no Mix tasks:

      bin/app rpc "Bounded.Doctor.report()"

  or from any node that is connected, `Bounded.Doctor.report(:"app@host")`; in a project, `mix bounded.doctor`.

  It looks at

    * the machine: the container's limit against physical memory, overcommit, swap, who the kernel kills first;
    * the allocators: what the VM took from the system and does not use, the super carrier;
    * the ledger: native bytes by account, orphans, and what neither the VM nor the ledger knows of;
    * processes: the largest by heap and by binaries held, each binary counted once, and long mailboxes;
    * ETS tables and atoms;
    * which protections this OTP release has.

  It only reads. It collects no process and traces none; looking at 100,000 processes takes less than 3
  seconds of CPU time. Only the binaries of the few processes that hold most are listed one by one.

  A finding is a figure over a threshold, and may be what you want. No finding means that nothing here
  was over one, not that memory is enough: see `Quota.Pressure` for that.
  """

  alias Bounded.Doctor.{Allocators, Finding, Ledger, Machine, Processes, Protections, Tables}

  @type report :: %{
          node: node,
          facts: [{String.t(), String.t()}],
          findings: [Finding.t()]
        }

  @families [Machine, Allocators, Ledger, Processes, Tables, Protections]
  @timeout_ms 60_000

  @doc """
  Prints what `examine/1` finds on `node`, worst first, with the remedies.

  Raises `ErlangError` when `node` cannot be reached or has no `Bounded.Doctor`.
  """
  @spec report(node) :: :ok
  def report(node \\ node()), do: node |> examine() |> format() |> IO.write()

  @doc """
  What threatens the memory of `node`, as data: facts as text, and findings, worst first.

      iex> %{findings: findings} = Bounded.Doctor.examine()
      iex> Enum.all?(findings, &is_struct(&1, Bounded.Doctor.Finding))
      true
  """
  @spec examine(node) :: report
  def examine(node \\ node())

  def examine(node) when node == node(), do: examine_below("/")
  def examine(node), do: :erpc.call(node, __MODULE__, :examine, [node], @timeout_ms)

  @doc false
  # What the kernel tells is read below `root`, so that tests run on recorded files.
  def examine_below(root) do
    seen = Enum.map(@families, & &1.examine(root))

    %{
      node: node(),
      facts: Enum.flat_map(seen, &elem(&1, 0)),
      findings: seen |> Enum.flat_map(&elem(&1, 1)) |> Enum.sort_by(&Finding.rank/1)
    }
  end

  @doc "A report of `examine/1` as text."
  @spec format(report) :: iodata
  def format(report) do
    width = report.facts |> Enum.map(fn {name, _} -> String.length(name) end) |> Enum.max()

    facts =
      for {name, text} <- report.facts, do: [String.pad_trailing(name, width + 2), text, ?\n]

    ["Memory of #{report.node}\n\n", facts, ?\n, format_findings(report.findings)]
  end

  defp format_findings([]), do: "Nothing found.\n"
  defp format_findings(findings), do: Enum.map(findings, &[Finding.format(&1), ?\n])
end
