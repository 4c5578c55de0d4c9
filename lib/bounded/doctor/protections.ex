defmodule Bounded.Doctor.Protections do
  @moduledoc false
  # How the VM of this OTP release can protect its memory, and how the node has set that.

  alias Bounded.Format

  def examine(%{vm: %{release: release} = vm}) do
    facts = [
      {"OTP release", "#{release}"},
      {"max_heap_size", "#{max_heap_size(vm.max_heap_size)}, #{counts(release)}"},
      {"trace sessions",
       if(release >= 27,
         do: "yes",
         else: "no: the cause of a kill by the VM is unknown where another tracer is attached"
       )},
      {"fullsweep_after", "#{vm.fullsweep_after}"}
    ]

    {facts, []}
  end

  defp max_heap_size(0), do: "no default"
  defp max_heap_size(bytes), do: "#{Format.bytes(bytes)} for every process"

  defp counts(release) when release >= 26,
    do: "counts binaries where include_shared_binaries is set"

  defp counts(_), do: "cannot count binaries: Quota.run/3 watches them"
end
