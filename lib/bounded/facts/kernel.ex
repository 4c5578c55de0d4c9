defmodule Bounded.Facts.Kernel do
  @moduledoc false
  # The kernel's limits for this VM, and the memory that the VM has. In bytes; nil where a figure cannot be read.

  alias Bounded.{Cgroup, KernelFile}

  def gather(%{root: root}) do
    status = KernelFile.read(root, "proc/self/status")
    group = Cgroup.find(root)

    %{
      memory: Cgroup.memory(group),
      high: Cgroup.high(group),
      overcommit:
        root |> KernelFile.read("proc/sys/vm/overcommit_memory") |> KernelFile.integer(),
      commit_limit: root |> KernelFile.read("proc/meminfo") |> KernelFile.bytes("CommitLimit"),
      oom_score: root |> KernelFile.read("proc/self/oom_score_adj") |> score(),
      address_space: root |> KernelFile.read("proc/self/limits") |> address_space(),
      resident: KernelFile.resident_in(status),
      mapped: KernelFile.bytes(status, "RssFile") || 0,
      shared: KernelFile.bytes(status, "RssShmem") || 0,
      swapped: KernelFile.bytes(status, "VmSwap") || 0
    }
  end

  # From -1000 to 1000: the kernel kills processes with a high score first.
  defp score(text) do
    case text |> String.trim() |> Integer.parse() do
      {score, _} -> score
      :error -> 0
    end
  end

  # "Max address space         unlimited            unlimited            bytes"
  defp address_space(text), do: KernelFile.figure(text, "Max address space")
end
