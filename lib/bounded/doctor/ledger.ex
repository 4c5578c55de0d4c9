defmodule Bounded.Doctor.Ledger do
  @moduledoc false
  # What this library holds natively, for whom, and how that compares with what is resident.

  alias Bounded.Doctor.{Allocators, Finding, Proc, Top}
  alias Bounded.Native
  alias Quota.Text

  @mib 1024 * 1024

  # Results of quotas are orphans for a moment, small ones for as long as they are used.
  @orphaned 8 * @mib

  # Resident memory that nobody accounts for, beyond stacks, code and the C library's own.
  @drift 128 * @mib
  @drift_percent 25

  @listed 5

  def examine(root) do
    {{_heap, binaries, native, _total, _peak}, orphaned, _processes} = Native.node_usage()
    resident = resident(root)
    {allocated, _used} = Allocators.totals()
    {count, largest} = quotas()

    facts =
      [
        {"resident", if(resident, do: Text.bytes(resident), else: "unknown")},
        {"native memory", "#{Text.bytes(native)} charged, #{Text.bytes(orphaned)} orphaned"},
        {"charged binaries", Text.bytes(binaries)},
        {"quotas at work", "#{count}"}
      ] ++ Enum.map(largest, &fact/1)

    {facts, orphan(orphaned) ++ drift(resident, allocated, native)}
  end

  # Without what is mapped from files, where the kernel tells.
  defp resident(root) do
    Proc.bytes(root, "proc/self/status", "RssAnon") ||
      Proc.bytes(root, "proc/self/status", "VmRSS")
  end

  # The quotas that use most.
  defp quotas do
    quotas = Quota.list()
    top = Enum.reduce(quotas, Top.new(@listed), &Top.add(&2, &1.usage.total, &1))
    {length(quotas), Top.to_list(top)}
  end

  defp fact({total, %{label: label, limit: limit, pid: pid}}) do
    name = if label == nil, do: inspect(pid), else: inspect(label, limit: 10, printable_limit: 60)
    {"  #{name}", "#{Text.bytes(total)} of #{Text.bytes(limit)}"}
  end

  defp orphan(bytes) when bytes >= @orphaned do
    [
      %Finding{
        id: :orphans,
        severity: :warning,
        figure: bytes,
        summary: "#{Text.bytes(bytes)} of binaries outlived the quotas that they were charged to",
        remedy:
          "They were returned, sent or stored: return less, or keep them where a limit holds. ETS tables and the " <>
            "processes that hold most binaries are listed here"
      }
    ]
  end

  defp orphan(_), do: []

  defp drift(resident, allocated, native) when is_integer(resident) do
    known = allocated + native
    unknown = resident - known

    if unknown >= @drift and unknown * 100 >= resident * @drift_percent do
      [
        %Finding{
          id: :drift,
          severity: :warning,
          figure: unknown,
          summary:
            "#{Text.bytes(resident)} are resident, #{Text.bytes(allocated)} allocated by the VM and " <>
              "#{Text.bytes(native)} charged natively: #{Text.bytes(unknown)} are nobody's",
          remedy:
            "Another native library or a port driver allocates them: see `erlang:system_info(taints)` for who is loaded"
        }
      ]
    else
      []
    end
  end

  defp drift(_, _, _), do: []
end
