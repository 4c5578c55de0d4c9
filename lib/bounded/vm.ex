defmodule Bounded.Vm do
  @moduledoc false
  # Differences between OTP releases and nodes.

  @word :erlang.system_info(:wordsize)

  # `max_heap_size` as multiples of the limit: on releases whose flag counts binaries (from OTP 26 on), and on those where it counts heaps
  # alone.
  @times 6
  @times_of_heap 4
  # Words. A `max_heap_size` has to be a small integer of the VM, which has 60 bits with its sign. This one is above any memory.
  @most_words Bitwise.bsl(1, 58)
  # Bytes of the smallest `max_heap_size` of `reporting/0`.
  @smallest_reported 8 * 1024

  @doc "The OTP release, such as 27."
  def release do
    case :persistent_term.get(__MODULE__, nil) do
      nil ->
        release = List.to_integer(:erlang.system_info(:otp_release))
        :persistent_term.put(__MODULE__, release)
        release

      release ->
        release
    end
  end

  @doc "Converts words to bytes."
  def bytes(words), do: words * @word

  @doc "Returns the minimum heap of a process of this node, in bytes."
  def min_heap_bytes do
    {:min_heap_size, words} = :erlang.system_info(:min_heap_size)
    bytes(words)
  end

  @doc """
  Whether a process can be suspended and resumed safely. OTP 29 loses the timeout of a process that is suspended when it expires,
  and the process waits for ever: of 4,000 processes that slept 10 ms, each suspended for up to 8 ms at a random moment, 444 never
  woke, and none of 40,000 on OTP 25 and 27. OTP 28 was not tested.
  """
  def resumes?, do: release() < 28

  @doc """
  Suspends a process asynchronously. (The synchronous call raises `:internal_error` for a process on a dirty scheduler, though it
  suspends it, and sometimes `:exited` for one that is alive.) The next request to the process is answered after one timeslice.
  The VM resumes the process if the caller dies. Returns `false` if the process is dead.
  """
  def suspend(pid) do
    :erlang.suspend_process(pid, [:asynchronous])
  rescue
    _ -> false
  end

  @doc """
  Starts a process that is bound to a scheduler until it calls `unbind/0`. OTP 25 to 29 know the option, but do not document it, and the
  type of `:erlang.spawn_opt/4` leaves it out.
  """
  def spawn_on(scheduler, module, function, arguments, options) do
    spawn_opt = Function.capture(:erlang, :spawn_opt, 4)
    spawn_opt.(module, function, arguments, [{:scheduler, scheduler} | options])
  end

  @doc """
  Makes this process unbound. It stays in the queue of the scheduler on which it ran last until another one takes it. A process bound to a
  scheduler that goes offline, as most are in a container with a CPU quota, answers no question, and would block everyone who asks all
  processes of the node something.
  """
  def unbind, do: bind(0)

  @doc "Moves this unbound process back to `scheduler`, from which another one that was idle may have taken it."
  def return(scheduler) do
    if :erlang.system_info(:scheduler_id) != scheduler and
         scheduler <= System.schedulers_online() do
      bind(scheduler)
      bind(0)
    end
  end

  # Not documented either. 0 binds to none.
  defp bind(scheduler) do
    process_flag = Function.capture(:erlang, :process_flag, 2)
    process_flag.(:scheduler, scheduler)
  end

  @doc "Resumes a process. Does nothing if the caller has not suspended it or if it is dead."
  def resume(pid) do
    :erlang.resume_process(pid)
  rescue
    _ -> false
  end

  @doc """
  Returns the multiple of a limit at which the VM kills the process, see `guides/design_notes.md`. The VM counts the collected heap
  with its copy, garbage, and from OTP 26 on each reference to a binary in full. None of these is a breach: only the guard
  decides that. The VM's limit stops code that does not yield and so cannot be stopped by a guard.
  """
  def times, do: if(counts_binaries?(), do: @times, else: @times_of_heap)

  @doc "Whether the VM's limit can count binaries."
  def counts_binaries?, do: release() >= 26

  @doc """
  Returns the flag `max_heap_size` for a limit of `limit` bytes, and its size in bytes. Without `kill` the VM only reports.
  `binaries`: whether binaries count, on releases that can count them.
  """
  def max_heap_size(limit, kill, binaries) do
    counts = counts_binaries?()
    times = if counts, do: @times, else: @times_of_heap
    words = min(div(limit * times, @word), @most_words)
    {flag(counts, words, kill, binaries), bytes(words)}
  end

  @doc "Returns the flag `max_heap_size` for a helper process with at most `bytes` of heap. Binaries do not count."
  def heap_alone(bytes),
    do: flag(counts_binaries?(), div(bytes, @word), true, false)

  @doc "Returns the flag `max_heap_size` with which the VM reports every collection of a process and does not kill it."
  def reporting do
    size = div(max(min_heap_bytes(), @smallest_reported), @word)
    flag(counts_binaries?(), size, false, true)
  end

  defp flag(true, words, kill, binaries),
    do: %{size: words, kill: kill, error_logger: false, include_shared_binaries: binaries}

  defp flag(false, words, kill, _), do: %{size: words, kill: kill, error_logger: false}

  @doc "Returns the system default of `max_heap_size`."
  def default_max_heap_size do
    # The manual documents a tuple, but releases 25 to 29 return the map.
    case :erlang.system_info(:max_heap_size) do
      {:max_heap_size, flags} -> flags
      flags -> flags
    end
  end
end
