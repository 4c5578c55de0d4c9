defmodule Bounded.Doctor.Machine do
  @moduledoc false
  # What the kernel allows this VM, and what it does when that is not enough.

  alias Bounded.Cgroup
  alias Bounded.Doctor.{Finding, Proc}
  alias Quota.Text

  # Of the limit, in percent: beyond it the next large request may be the last.
  @crowded 85

  # The kernel kills processes with a higher score first; 1000 is the highest.
  @first_to_die 900

  def examine(root) do
    memory = root |> Cgroup.find() |> Cgroup.memory()

    kernel = %{
      overcommit: Proc.integer(root, "proc/sys/vm/overcommit_memory"),
      commit_limit: Proc.bytes(root, "proc/meminfo", "CommitLimit"),
      oom_score: Proc.integer(root, "proc/self/oom_score_adj") || 0,
      swapped: Proc.bytes(root, "proc/self/status", "VmSwap") || 0
    }

    {facts(memory, kernel), findings(memory, kernel)}
  end

  defp facts(memory, kernel) do
    [
      {"memory limit", limit(memory)},
      {"physical memory", text(memory.physical)},
      {"swap", text(memory.swap)},
      {"overcommit", overcommit(kernel.overcommit)},
      {"oom_score_adj", "#{kernel.oom_score}"}
    ]
  end

  defp limit(%{source: nil}), do: "unknown"
  defp limit(%{source: :machine}), do: "none but the machine's"

  defp limit(memory) do
    "#{Text.bytes(memory.limit)}, in use #{text(memory.usage)} (#{memory.directory})"
  end

  defp text(nil), do: "unknown"
  defp text(bytes), do: Text.bytes(bytes)

  defp overcommit(0), do: "0 (heuristic)"
  defp overcommit(1), do: "1 (always)"
  defp overcommit(2), do: "2 (never)"
  defp overcommit(_), do: "unknown"

  defp findings(memory, kernel) do
    Enum.filter(
      [
        container(memory),
        crowded(memory),
        overcommit_finding(kernel),
        swapped(kernel.swapped),
        first_to_die(kernel.oom_score)
      ],
      & &1
    )
  end

  defp container(%{source: :machine} = memory) do
    %Finding{
      id: :no_container_limit,
      severity: :warning,
      figure: memory.physical,
      summary: "nothing limits this VM but the #{Text.bytes(memory.physical)} of the machine",
      remedy:
        "Start it in a control group with a limit (docker --memory, resources.limits.memory, systemd " <>
          "MemoryMax), so that the kernel kills it rather than something else on the machine"
    }
  end

  defp container(_), do: nil

  defp crowded(%{limit: limit, usage: usage} = memory)
       when is_integer(limit) and is_integer(usage) do
    used = usage - (memory.reclaimable || 0)

    if used * 100 > limit * @crowded do
      %Finding{
        id: :little_left,
        severity: :critical,
        figure: used,
        summary:
          "#{Text.bytes(used)} of #{Text.bytes(limit)} are in use, #{div(used * 100, limit)} %, file cache not counted",
        remedy:
          "Raise the limit, or admit less at once (Quota.Pool); what is largest is listed here"
      }
    end
  end

  defp crowded(_), do: nil

  defp overcommit_finding(%{overcommit: 2} = kernel) do
    %Finding{
      id: :overcommit,
      severity: :critical,
      figure: 2,
      summary:
        "vm.overcommit_memory is 2: the kernel refuses memory beyond #{text(kernel.commit_limit)} promised to " <>
          "all, used or not, and a VM that is refused memory aborts",
      remedy: "Set vm.overcommit_memory=0, and limit memory by a control group instead"
    }
  end

  defp overcommit_finding(%{overcommit: 1}) do
    %Finding{
      id: :overcommit,
      severity: :warning,
      figure: 1,
      summary:
        "vm.overcommit_memory is 1: the kernel grants any request and kills someone when it cannot keep its word",
      remedy: "Set vm.overcommit_memory=0, which refuses what is absurd"
    }
  end

  defp overcommit_finding(_), do: nil

  defp swapped(0), do: nil

  defp swapped(bytes) do
    %Finding{
      id: :swapped,
      severity: :warning,
      figure: bytes,
      summary:
        "#{Text.bytes(bytes)} of this VM are swapped out: garbage collections wait for the disk",
      remedy: "Turn swap off for it (memory.swap.max=0, MemorySwapMax=0), or give it more memory"
    }
  end

  defp first_to_die(score) when score >= @first_to_die do
    %Finding{
      id: :first_to_die,
      severity: :warning,
      figure: score,
      summary: "oom_score_adj is #{score}: the kernel kills this VM before almost anything else",
      remedy:
        "In Kubernetes set requests.memory (equal to the limit for -997); elsewhere OOMScoreAdjust=0"
    }
  end

  defp first_to_die(_), do: nil
end
