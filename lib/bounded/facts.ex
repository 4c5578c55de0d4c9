defmodule Bounded.Facts do
  @moduledoc false
  # What a VM and its kernel report about memory: figures, without a judgement. All are read by built-in functions, so that they
  # can be read from any Erlang node of OTP 24 or later, with or without this library: see `Bounded.Facts.Probe`.
  #
  # `Bounded.Doctor` judges them.

  alias Bounded.Facts.{Allocators, Ets, Kernel, NativeMemory, Ports, Probe, Processes}

  @type t :: %{
          node: node,
          kernel: map,
          vm: map,
          allocators: map,
          native: map | nil,
          processes: map,
          tables: map,
          ports: map
        }

  @doc "Reads everything. Processes and tables are read in batches, and only the largest are kept."
  @spec gather(Probe.t()) :: t
  def gather(probe) do
    %{
      node: probe.node,
      kernel: Kernel.gather(probe),
      vm: vm(probe),
      allocators: Allocators.gather(probe),
      native: NativeMemory.gather(probe),
      processes: Processes.gather(probe),
      tables: Ets.gather(probe),
      ports: Ports.gather(probe)
    }
  end

  defp vm(probe) do
    info = &Probe.call(probe, :erlang, :system_info, [&1])

    %{
      release: probe.release,
      memory: probe |> Probe.memory() |> elem(1),
      atoms: {info.(:atom_count), info.(:atom_limit)},
      processes: {info.(:process_count), info.(:process_limit)},
      ports: {info.(:port_count), info.(:port_limit)},
      max_heap_size: max_heap_size(info.(:max_heap_size), probe.word),
      fullsweep_after: info.(:fullsweep_after) |> elem(1),
      persistent_terms: Probe.call(probe, :persistent_term, :info, [])
    }
  end

  # Documented as a tuple, and a map on every release so far. Bytes, 0 for none.
  defp max_heap_size({:max_heap_size, flags}, word), do: max_heap_size(flags, word)
  defp max_heap_size(%{size: words}, word), do: words * word
end
