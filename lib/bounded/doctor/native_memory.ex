defmodule Bounded.Doctor.NativeMemory do
  @moduledoc false
  # What this library holds natively, and for which quotas.

  alias Bounded.Doctor.Finding
  alias Bounded.Format

  # Results of quotas are orphans for a moment, and small ones for as long as they are used.
  @orphaned 8 * 1024 * 1024

  def examine(%{native: nil}), do: {[{"this library", "does not run on this node"}], []}

  def examine(%{native: native}) do
    facts =
      [
        {"native memory",
         "#{Format.bytes(native.charged)} charged outside binaries, #{Format.bytes(native.orphaned)} orphaned"},
        {"charged binaries", Format.bytes(native.binaries)},
        {"quotas at work", "#{native.quotas}"}
      ] ++ Enum.map(native.largest, &quota/1)

    {facts, orphans(native.orphaned)}
  end

  defp quota({total, %{label: label, limit: limit, pid: pid}}) do
    name = if label == nil, do: inspect(pid), else: inspect(label, limit: 10, printable_limit: 60)
    {"  #{name}", "#{Format.bytes(total)} of #{Format.bytes(limit)}"}
  end

  defp orphans(bytes) when bytes >= @orphaned do
    [
      %Finding{
        id: :orphans,
        severity: :warning,
        figure: bytes,
        summary:
          "#{Format.bytes(bytes)} of binaries outlived the quotas that they were charged to",
        remedy:
          "They were returned, sent or stored: return less, or keep them in a process with a limit. This report lists ETS " <>
            "tables and the processes that hold most binaries"
      }
    ]
  end

  defp orphans(_), do: []
end
