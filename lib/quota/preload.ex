defmodule Quota.Preload do
  @moduledoc false
  # Prepares the node for its first quota, once, in the calling process.

  alias Bounded.{Native, Vm}
  alias Quota.Account.{Breach, BreachLog, Opening, Reservation}
  alias Quota.{ExceededError, Telemetry}

  alias Quota.Run.{Captures, Context, CopySize, FlatSize, LastLook, Worker}

  alias Quota.Watch.Ets.TableSample

  alias Quota.Watch.{
    BatchWatcher,
    Binaries,
    ChildWatcher,
    Children,
    Ets,
    Guard,
    Mailbox,
    OrphanMonitor,
    Policy,
    Poll,
    ProcessStats,
    StopTheWorld,
    Tracer,
    TurnWatcher
  }

  # Outside of releases, modules are loaded at their first call. A guard that waited for the code server would measure its first
  # balloon too late, and code that a process loads counts as its own memory.
  @modules [
    BatchWatcher,
    Binaries,
    Breach,
    BreachLog,
    Captures,
    ChildWatcher,
    Children,
    Context,
    CopySize,
    Ets,
    ExceededError,
    FlatSize,
    Guard,
    LastLook,
    Mailbox,
    Opening,
    OrphanMonitor,
    Policy,
    Poll,
    ProcessStats,
    Reservation,
    StopTheWorld,
    TableSample,
    Telemetry,
    Tracer,
    TurnWatcher,
    Worker
  ]

  # The processes of these modules watch quotas, and never count towards one.
  @watchers [BatchWatcher, ChildWatcher, Children, Guard, OrphanMonitor, Tracer, TurnWatcher]

  @doc "Loads the modules of guards and runs, and measures an idle process, unless that was done before."
  def ensure do
    unless :persistent_term.get(__MODULE__, false) do
      Native.watchers_register(@watchers)
      measure_process()

      # One by one: `:code.ensure_modules_loaded/1` starts processes, and the VM terminates if the process table is full then.
      Enum.each(@modules, &Code.ensure_loaded/1)
      :persistent_term.put(__MODULE__, true)
    end

    :ok
  rescue
    # The process table is full. The caller's next spawn raises, and a later quota prepares the node.
    SystemLimitError -> :ok
  end

  # Measures the bytes of an idle process, and the bytes of its heap.
  defp measure_process do
    {pid, ref} =
      spawn_monitor(fn ->
        items = [:memory, :garbage_collection_info]
        [memory: memory, garbage_collection_info: info] = Process.info(self(), items)
        exit({:bytes, memory, Vm.bytes(Keyword.fetch!(info, :heap_block_size))})
      end)

    receive do
      {:DOWN, ^ref, _, ^pid, {:bytes, memory, heap}} -> Native.process_bytes(memory, heap)
    end
  end
end
