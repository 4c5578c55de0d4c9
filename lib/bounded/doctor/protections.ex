defmodule Bounded.Doctor.Protections do
  @moduledoc false
  # Which means of the VM this OTP release has, and how the node has set them.

  alias Bounded.Format

  def examine(%{vm: %{release: release} = vm}) do
    facts = [
      {"OTP release", "#{release}"},
      {"max_heap_size", "#{max_heap_size(vm.max_heap_size)}, #{counts(release)}"},
      {"trace sessions",
       if(release >= 27,
         do: "yes",
         else: "no: the VM's kill of a process that has another tracer has no known cause"
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
