defmodule Bounded.Doctor.Balance do
  @moduledoc false
  # The resident memory as a sum: each part with its source, and the rest as not explained.

  alias Bounded.Doctor.Finding
  alias Bounded.Format

  # Bytes that are not explained and worth a finding, and their percentage of what is resident. Stacks of threads, the emulator's
  # own data and the C library take less.
  @unexplained 128 * 1024 * 1024
  @unexplained_percent 25

  def examine(%{kernel: kernel, vm: vm, allocators: allocators, native: native}) do
    charged = if native, do: native.charged, else: 0
    memory = vm.memory
    named = Map.take(memory, [:processes, :binary, :ets, :code, :atom])

    parts = [
      {"  processes", memory.processes, "erlang:memory(processes)"},
      {"  binaries", memory.binary, "erlang:memory(binary)"},
      {"  ETS tables", memory.ets, "erlang:memory(ets)"},
      {"  code and atoms", memory.code + memory.atom, "erlang:memory(code), erlang:memory(atom)"},
      {"  other of the VM", memory.total - Enum.sum(Map.values(named)),
       "erlang:memory(total) less the above"},
      {"  allocated, unused", max(allocators.allocated - memory.total, 0),
       "allocator_sizes less erlang:memory(total)"},
      {"  native memory", charged, "charged by this library"}
    ]

    explained = Enum.sum(for {_, bytes, _} <- parts, do: bytes)
    rest = kernel.resident && kernel.resident - explained
    cached = if rest, do: rest |> max(0) |> min(allocators.cached), else: 0
    unexplained = rest && rest - cached

    facts =
      [{"resident", text(kernel.resident, "RssAnon of /proc/self/status")}] ++
        for({name, bytes, source} <- parts, do: {name, text(bytes, source)}) ++
        [
          {"  cached segments", text(cached, "erts_mmap less segments of mseg_alloc")},
          {"  not explained", unexplained(unexplained)},
          {"mapped files", text(kernel.mapped, "RssFile: given back when memory is short")},
          {"shared memory", text(kernel.shared, "RssShmem")},
          {"persistent terms", persistent_terms(vm.persistent_terms)}
        ]

    {facts, drift(kernel.resident, explained + cached, unexplained)}
  end

  defp text(nil, _source), do: "unknown"
  defp text(bytes, source), do: "#{Format.bytes(bytes)} (#{source})"

  defp unexplained(nil), do: "unknown"
  defp unexplained(bytes) when bytes >= 0, do: Format.bytes(bytes)

  defp unexplained(bytes),
    do: "none; #{Format.bytes(-bytes)} of the above are allocated and were never written"

  defp persistent_terms(%{count: count, memory: bytes}),
    do: "#{count} in #{Format.bytes(bytes)} (within \"other of the VM\")"

  defp drift(resident, known, unexplained)
       when is_integer(resident) and unexplained >= @unexplained and
              unexplained * 100 >= resident * @unexplained_percent do
    [
      %Finding{
        id: :drift,
        severity: :warning,
        figure: unexplained,
        summary:
          "#{Format.bytes(resident)} are resident, and the VM, its caches and this library explain " <>
            "#{Format.bytes(known)}: #{Format.bytes(unexplained)} are not explained",
        remedy:
          "Another native library or a port driver may have allocated them: erlang:system_info(taints) lists the loaded ones"
      }
    ]
  end

  defp drift(_, _, _), do: []
end
