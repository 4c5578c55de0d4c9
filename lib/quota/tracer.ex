defmodule Quota.Tracer do
  @moduledoc false
  # Has the VM report to `Bounded.Native.trace/5` when it kills the calling process for its heap.
  #
  # Up to OTP 26 a process has one tracer: if somebody else traces it, they keep it. From OTP 27 there
  # is one trace session for the whole node, made when first needed. It belongs to no process and no
  # application, and is made again when somebody has destroyed it.

  alias Bounded.Native
  alias Quota.Vm

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  @maker __MODULE__

  # Of the events of these flags `Bounded.Native.enabled/3` discards all but three. It has to discard those of
  # collections: from OTP 27 to 29 two sessions to which they are delivered for one process crash the VM
  # (erlang/otp issue 11624). The event of `max_heap_size` is built in another way, and any number may have it.
  @kills [:garbage_collection]
  @kills_and_children [:garbage_collection, :procs, :set_on_spawn]

  # How far beyond that the VM's own limit on a process that somebody else traces is: no process fills that many bytes
  # before its guard has looked at it.
  @distance 64 * 1024 * 1024

  @doc """
  Traces the calling process and has the VM hold it to some times `limit` bytes (`Quota.Vm.times/0`), in this order: what it
  was started with may be more already.

  When the VM kills a process that somebody else traces, nothing tells that from anybody's kill. There the
  VM keeps its distance: the guard, which says why it kills, comes first.
  """
  def trace_self(account, limit, plan) do
    if traced?(plan.children) do
      hold(account, limit, plan)
    else
      Native.account_untraced(account)
      hold(account, limit + div(@distance, Vm.times()), plan)
    end
  end

  defp hold(account, limit, plan) do
    if plan.enforce or unlimited?() do
      {flag, bytes} = Vm.max_heap_size(limit, kill: plan.enforce, binaries: plan.shared)
      Native.account_vm_limit(account, bytes, Vm.counts_binaries?() and plan.shared)
      Process.flag(:max_heap_size, flag)
    end
  end

  # What is only observed keeps the limit that it has set itself.
  defp unlimited?, do: match?({_, %{size: 0}}, Process.info(self(), :max_heap_size))

  @doc "Has the VM report to `account`, which is the calling process's own, what each of its collections needs."
  def measure_self(account) do
    Native.account_measuring(account)
    Process.flag(:max_heap_size, Vm.reporting())
  end

  # The processes that it starts as well, where those count.
  defp traced?(children) do
    flags = if children, do: @kills_and_children, else: @kills
    if Vm.release() >= 27, do: in_session(flags), else: alone(flags)
  end

  @doc "Undoes `trace_self/3`."
  def untrace_self do
    if Vm.release() >= 27 do
      session = :persistent_term.get(__MODULE__, nil)
      session && :trace.process(session, self(), false, [:all])
    else
      if ours?(), do: :erlang.trace(self(), false, [:all])
    end
  rescue
    ArgumentError -> :ok
  end

  @doc """
  Whether the session is there that somebody knew at their last look, nil at the first: `{:ok, session}` or `{:lost, nil}`.
  Costs a thirtieth of a microsecond, and asks no process.
  """
  def look(nil), do: {:ok, :persistent_term.get(__MODULE__, nil)}
  def look(session), do: if(there?(session), do: {:ok, session}, else: {:lost, nil})

  defp there?(session) do
    match?({_, _}, :trace.info(session, :send, :match_spec))
  rescue
    ArgumentError -> false
  end

  @doc "The session of the node, made anew where somebody has destroyed it. From OTP 27 on."
  def session_of_now do
    session = :persistent_term.get(__MODULE__, nil)
    if session != nil and there?(session), do: session, else: new_session()
  end

  @doc "Traces another process in the session of the node, and with `children` what it starts. From OTP 27 on."
  def trace(pid, children) do
    flags = if children, do: @kills_and_children, else: @kills
    :trace.process(:persistent_term.get(__MODULE__), pid, true, flags) == 1
  rescue
    # It is dead, or the session is gone once more, which its watcher sees.
    ArgumentError -> false
  end

  defp alone(flags) do
    # Asked first, because the VM logs a second tracer as an error. `trace_info/2` says the same in
    # twenty times the time.
    case :erlang.process_info(self(), :trace) do
      {:trace, 0} ->
        :erlang.trace(self(), true, [{:tracer, Native, []} | flags]) == 1

      # Started by a process whose children count.
      _traced ->
        ours?() and :erlang.trace(self(), true, [{:tracer, Native, []} | flags]) == 1
    end
  rescue
    # Somebody else was faster.
    ArgumentError -> false
  end

  defp ours?, do: :erlang.trace_info(self(), :tracer) == {:tracer, {Native, []}}

  defp in_session(flags) do
    trace_in(:persistent_term.get(__MODULE__, nil), flags) or trace_in(new_session(), flags)
  end

  defp trace_in(nil, _flags), do: false

  defp trace_in(session, flags) do
    :trace.process(session, self(), true, flags) == 1
  rescue
    # The session is gone.
    ArgumentError -> false
  end

  # One process at a time makes the session; it registers a name, so that the others wait for it.
  defp new_session do
    known = :persistent_term.get(__MODULE__, nil)
    {_, ref} = spawn_monitor(__MODULE__, :make_session, [known])

    receive do
      {:DOWN, ^ref, _, _, _} -> :persistent_term.get(__MODULE__, nil)
    end
  end

  @doc false
  def make_session(known) do
    Process.register(self(), @maker)

    if :persistent_term.get(__MODULE__, nil) == known do
      session = :trace.session_create(:bounded_quota, {Native, []}, [])
      :persistent_term.put(__MODULE__, session)
    end
  rescue
    # Somebody else is making it.
    ArgumentError ->
      ref = Process.monitor(@maker)

      receive do
        {:DOWN, ^ref, _, _, _} -> :ok
      end
  end
end
