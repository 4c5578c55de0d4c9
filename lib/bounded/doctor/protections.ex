defmodule Bounded.Doctor.Protections do
  @moduledoc false
  # Which of the VM's own means this OTP release has, and how this node has set them.

  alias Quota.{Text, Vm}

  def examine(_root) do
    release = Vm.release()

    facts = [
      {"OTP release", "#{release}"},
      {"max_heap_size", "#{max_heap_size()}, #{counts(release)}"},
      {"trace sessions",
       if(release >= 27, do: "yes", else: "no: a process traced by others dies unexplained")},
      {"fullsweep_after", "#{:erlang.system_info(:fullsweep_after) |> elem(1)}"}
    ]

    {facts, []}
  end

  defp max_heap_size do
    case :erlang.system_info(:max_heap_size) do
      %{size: 0} -> "no default"
      %{size: words} -> "#{Text.bytes(Vm.bytes(words))} for every process"
    end
  end

  defp counts(release) when release >= 26,
    do: "counts binaries where include_shared_binaries is set"

  defp counts(_), do: "cannot count binaries: Quota.run/3 watches them"
end
