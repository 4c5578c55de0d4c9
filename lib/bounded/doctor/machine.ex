defmodule Bounded.Doctor.Machine do
  @moduledoc false
  # What the kernel allows this VM, and what it does when that is not enough.

  alias Bounded.Doctor.Finding
  alias Bounded.Format

  # Percent of the limit, above which the next large request may be the last.
  @crowded 85
  # The kernel kills processes with a higher score first; 1000 is the highest.
  @first_to_die 900

  def examine(%{kernel: %{memory: memory} = kernel}) do
    facts = [
      {"memory limit", limit(memory)},
      {"memory.high", text(kernel.high, "none")},
      {"physical memory", text(memory.physical)},
      {"swap", text(memory.swap)},
      {"overcommit", overcommit(kernel.overcommit)},
      {"oom_score_adj", "#{kernel.oom_score}"},
      {"address space limit", text(kernel.address_space, "none")}
    ]

    findings = [
      container(memory),
      crowded(memory),
      throttled(memory, kernel.high),
      address_space(kernel.address_space, memory),
      overcommit_finding(kernel),
      swapped(kernel.swapped),
      shared(kernel.shared, memory),
      first_to_die(kernel.oom_score)
    ]

    {facts, Enum.reject(findings, &is_nil/1)}
  end

  defp limit(%{source: nil}), do: "unknown"
  defp limit(%{source: :machine}), do: "none but the machine's"

  defp limit(memory),
    do: "#{Format.bytes(memory.limit)}, in use #{text(memory.usage)} (#{memory.directory})"

  defp text(bytes, otherwise \\ "unknown")
  defp text(nil, otherwise), do: otherwise
  defp text(bytes, _otherwise), do: Format.bytes(bytes)

  defp overcommit(0), do: "0 (heuristic)"
  defp overcommit(1), do: "1 (always)"
  defp overcommit(2), do: "2 (never)"
  defp overcommit(_), do: "unknown"

  defp container(%{source: :machine} = memory) do
    %Finding{
      id: :no_container_limit,
      severity: :warning,
      figure: memory.physical,
      summary: "nothing limits this VM but the #{Format.bytes(memory.physical)} of the machine",
      remedy:
        "Start it in a control group with a limit (docker --memory, resources.limits.memory, systemd MemoryMax), so " <>
          "that the kernel kills this VM and not another program of the machine"
    }
  end

  defp container(_), do: nil

  defp crowded(%{limit: limit, usage: usage} = memory)
       when is_integer(limit) and is_integer(usage) do
    used = max(usage - (memory.reclaimable || 0), 0)

    if used * 100 > limit * @crowded do
      %Finding{
        id: :little_left,
        severity: :critical,
        figure: used,
        summary:
          "#{Format.bytes(used)} of #{Format.bytes(limit)} are in use#{share(used, limit)}, file cache not counted",
        remedy:
          "Raise the limit, or admit less at once (Quota.Pool). This report lists what is largest"
      }
    end
  end

  defp crowded(_), do: nil

  defp share(_used, 0), do: ""
  defp share(used, limit), do: ", #{div(used * 100, limit)} %"

  defp throttled(%{usage: usage}, high) when is_integer(usage) and is_integer(high) do
    if usage * 100 > high * @crowded do
      %Finding{
        id: :memory_high,
        severity: :warning,
        figure: usage,
        summary:
          "#{Format.bytes(usage)} are in use and memory.high is #{Format.bytes(high)}: from there on the kernel slows " <>
            "every process of the group down",
        remedy:
          "Set memory.high (systemd MemoryHigh) well above what the node needs, or not at all"
      }
    end
  end

  defp throttled(_, _), do: nil

  defp address_space(limit, %{limit: memory}) when is_integer(limit) and is_integer(memory) do
    if limit < memory do
      %Finding{
        id: :address_space,
        severity: :critical,
        figure: limit,
        summary:
          "RLIMIT_AS is #{Format.bytes(limit)}, less than the memory limit of #{Format.bytes(memory)}: a VM that is " <>
            "refused address space aborts",
        remedy: "Remove the limit (ulimit -v unlimited), and limit memory by a control group"
      }
    end
  end

  defp address_space(_, _), do: nil

  defp overcommit_finding(%{overcommit: 2} = kernel) do
    %Finding{
      id: :overcommit,
      severity: :critical,
      figure: 2,
      summary:
        "vm.overcommit_memory is 2: the kernel refuses memory when all processes together reserve more than " <>
          "#{text(kernel.commit_limit)}, used or not, and a VM that is refused memory aborts",
      remedy: "Set vm.overcommit_memory=0, and limit memory by a control group"
    }
  end

  defp overcommit_finding(%{overcommit: 1}) do
    %Finding{
      id: :overcommit,
      severity: :warning,
      figure: 1,
      summary:
        "vm.overcommit_memory is 1: the kernel grants every request, and kills a process when it has not the memory",
      remedy: "Set vm.overcommit_memory=0, which refuses requests far beyond the machine's memory"
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
        "#{Format.bytes(bytes)} of this VM are swapped out: garbage collections wait for the disk",
      remedy: "Turn swap off for it (memory.swap.max=0, MemorySwapMax=0), or give it more memory"
    }
  end

  # Files of a tmpfs count against the limit, and no one collects them.
  defp shared(bytes, %{limit: limit}) when is_integer(limit) and bytes * 10 > limit do
    %Finding{
      id: :shared_memory,
      severity: :warning,
      figure: bytes,
      summary:
        "#{Format.bytes(bytes)} of the resident memory are shared memory or files of a tmpfs",
      remedy:
        "Find files that this VM maps in /dev/shm or another tmpfs (grep -i shm /proc/PID/maps)"
    }
  end

  defp shared(_, _), do: nil

  defp first_to_die(score) when score >= @first_to_die do
    %Finding{
      id: :first_to_die,
      severity: :warning,
      figure: score,
      summary: "oom_score_adj is #{score}: the kernel kills this VM before almost all others",
      remedy:
        "In Kubernetes set requests.memory equal to limits.memory (score -997); elsewhere OOMScoreAdjust=0"
    }
  end

  defp first_to_die(_), do: nil
end
