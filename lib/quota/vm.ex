defmodule Quota.Vm do
  @moduledoc false
  # What differs between OTP releases and nodes.

  alias Bounded.Native

  @prepared {__MODULE__, :prepared}
  @word :erlang.system_info(:wordsize)

  # Where the VM counts binaries, and where it counts heaps alone.
  @times 6
  @times_of_heap 4
  # The largest small integer of the VM; more is no limit.
  @most_words Bitwise.bsl(1, 58)
  @smallest_reported 8 * 1024

  @doc "Has everything loaded that quotas need, once, and in the calling process."
  def prepare do
    unless :persistent_term.get(@prepared, false) do
      release()
      measure_process()
      :persistent_term.put(@prepared, true)
    end

    :ok
  rescue
    # There are as many processes as there can be: who starts the next is told, and this is done then.
    SystemLimitError -> :ok
  end

  # What a process that does nothing takes, and how much of that is its heap: asked of one that has just been started.
  defp measure_process do
    {pid, ref} =
      spawn_monitor(fn ->
        items = [:memory, :garbage_collection_info]
        [memory: memory, garbage_collection_info: info] = Process.info(self(), items)
        exit({:bytes, memory, bytes(Keyword.fetch!(info, :heap_block_size))})
      end)

    receive do
      {:DOWN, ^ref, _, ^pid, {:bytes, memory, heap}} -> Native.process_bytes(memory, heap)
    end
  end

  @doc "The OTP release, such as 27."
  def release do
    case :persistent_term.get(__MODULE__, nil) do
      nil ->
        release = List.to_integer(:erlang.system_info(:otp_release))
        :persistent_term.put(__MODULE__, release)
        # Afterwards, so that of many who come at once few load.
        load()
        release

      release ->
        release
    end
  end

  # Outside of releases modules are loaded when first called. A guard that had to wait for that would look
  # at its first balloon too late, and to work that had to, it would count. By name: this module stands below them.
  defp load do
    modules =
      ~w(Binaries Breach BreachLog Captures Context ExceededError Figures FlatSize Guard LastLook Look Mailbox Member Members
         Plan Survey Sweeper Tables TableSample
         Telemetry Tracer Worker)

    :code.ensure_modules_loaded(Enum.map(modules, &:"Elixir.Quota.#{&1}"))
  end

  @doc "Bytes of that many words."
  def bytes(words), do: words * @word

  @doc "Every process of this node has at least this many bytes of heap."
  def min_heap_bytes do
    {:min_heap_size, words} = :erlang.system_info(:min_heap_size)
    bytes(words)
  end

  @doc """
  Whether a process may be suspended that is to go on afterwards. On OTP 29 one that waits for a message or a
  time may then wait for ever: of 20 processes that slept a millisecond at a time, each suspended and resumed 20
  times, one to five never woke again, and none on OTP 25 and 27. OTP 28 was not at hand.
  """
  def resumes?, do: release() < 28

  @doc """
  Suspends a process, without waiting for it: the synchronous call raises `:internal_error` for a process on a dirty scheduler,
  which it has suspended nevertheless, and sometimes `:exited` for one that is alive. Whoever asks the process next has its answer after
  one timeslice. Should the caller die, the VM resumes it. Raises nothing: one that is dead cannot be suspended.
  """
  def suspend(pid) do
    :erlang.suspend_process(pid, [:asynchronous])
  rescue
    _ -> false
  end

  @doc "Resumes a process that the caller may have suspended, and that may be dead."
  def resume(pid) do
    :erlang.resume_process(pid)
  rescue
    _ -> false
  end

  @doc """
  Times its limit that the VM lets a process have before it kills it, see `guides/design_notes.md`. It counts the heap that is
  collected with its copy, garbage, and from OTP 26 on each reference to a binary in full, none of which is over the limit: the
  guard decides that. This ends what no guard can stop, since it does not yield.
  """
  def times, do: if(counts_binaries?(), do: @times, else: @times_of_heap)

  @doc "Whether the VM's limit can count binaries."
  def counts_binaries?, do: release() >= 26

  @doc """
  The flag `max_heap_size` for work that may take `limit` bytes, and the bytes that it stands for. `kill: false` only reports.
  """
  def max_heap_size(limit, opts) do
    words = min(div(limit * times(), @word), @most_words)
    flags = %{size: words, kill: opts[:kill], error_logger: false}
    {with_binaries(flags, opts[:binaries]), bytes(words)}
  end

  @doc "The flag `max_heap_size` for a helper that may take `bytes` of heap, whatever binaries it refers to."
  def heap_alone(bytes),
    do: with_binaries(%{size: div(bytes, @word), kill: true, error_logger: false}, false)

  @doc "The flag that has the VM report every collection of a process and kill none."
  def reporting do
    size = div(max(min_heap_bytes(), @smallest_reported), @word)
    with_binaries(%{size: size, kill: false, error_logger: false}, true)
  end

  defp with_binaries(flags, counted) do
    if counts_binaries?(), do: Map.put(flags, :include_shared_binaries, counted), else: flags
  end

  @doc "The VM's limit on processes that are given none."
  def default_max_heap_size do
    # The manual has it in a tuple; every release from 25 to 29 gives the map alone.
    case :erlang.system_info(:max_heap_size) do
      {:max_heap_size, flags} -> flags
      flags -> flags
    end
  end
end
