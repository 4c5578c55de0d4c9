defmodule Quota.Watch.Tracer do
  @moduledoc false
  # Makes the VM report to `Bounded.Native.trace/5` when it kills a process for its heap (`max_heap_size`), and with counted children when
  # the process starts another.
  #
  # Up to OTP 26 a process has one tracer, and another tracer is left in place. From OTP 27 on there is one trace session for the
  # node, made when first needed. It belongs to no process and no application, and is made again if it was destroyed.

  alias Bounded.{Native, Vm}

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  @maker __MODULE__

  # `Bounded.Native.enabled/3` discards all events of these flags but `gc_max_heap_size`, `spawn` and `trace_status`. It must discard those
  # of collections: on OTP 27
  # to 29 the VM crashes when two sessions receive them for one process (erlang/otp issue 11624). The event of `max_heap_size` is
  # built differently, and any number of sessions may receive it.
  # Of children, the turns are traced too: see `Quota.Watch.TurnWatcher`.
  @kills [:garbage_collection]
  @kills_and_children [:garbage_collection, :procs, :running, :set_on_spawn]

  # Bytes added to the VM's limit on a process that has another tracer: no process fills that many before its guard polls it.
  @untraced_room 64 * 1024 * 1024

  @doc """
  Traces the calling process, then sets its `max_heap_size` to a multiple of `limit` (`Bounded.Vm.times/0`), unless it has that already
  (`holds`). In this order: its captures may exceed that, and the tracer must see the kill.

  When the VM kills a process that has another tracer, nothing tells that kill from any other. So the VM's limit is higher there:
  the guard, which records the cause, comes first.
  """
  def trace_self(account, limit, policy, holds \\ false) do
    if start_tracing(policy.children) do
      unless holds, do: set_vm_limit(account, limit, policy)
    else
      Native.account_untraced(account)
      set_vm_limit(account, limit + div(@untraced_room, Vm.times()), policy)
    end
  end

  defp set_vm_limit(account, limit, policy) do
    if policy.enforce or unlimited?() do
      {flag, bytes} = Vm.max_heap_size(limit, policy.enforce, policy.shared)
      Native.account_vm_limit(account, bytes, Vm.counts_binaries?() and policy.shared)
      Process.flag(:max_heap_size, flag)
    end
  end

  # An observed process keeps a limit that it has set itself.
  defp unlimited?, do: match?({_, %{size: 0}}, Process.info(self(), :max_heap_size))

  @doc "Makes the VM report to the calling process's `account` what each of its collections needs."
  def measure_self(account) do
    Native.account_measuring(account)
    Process.flag(:max_heap_size, Vm.reporting())
  end

  # Traces the calling process, with `children` also the processes that it starts. Returns whether that was possible.
  defp start_tracing(children) do
    flags = if children, do: @kills_and_children, else: @kills
    if Vm.release() >= 27, do: in_session(flags), else: by_single_tracer(flags)
  end

  @doc "Undoes `trace_self/4`, except for `max_heap_size`."
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
  Whether the session of the caller's last poll still exists; nil at the first. Returns `{:ok, session}` or `{:lost, nil}`. Takes a
  thirtieth of a microsecond, and asks no process.
  """
  def look(nil), do: {:ok, :persistent_term.get(__MODULE__, nil)}
  def look(session), do: if(there?(session), do: {:ok, session}, else: {:lost, nil})

  defp there?(session) do
    match?({_, _}, :trace.info(session, :send, :match_spec))
  rescue
    ArgumentError -> false
  end

  @doc "The node's session, made again if it was destroyed. From OTP 27 on."
  def session_of_now do
    session = :persistent_term.get(__MODULE__, nil)
    if session != nil and there?(session), do: session, else: new_session()
  end

  @doc "Traces another process in the node's session, and with `children` what it starts. From OTP 27 on."
  def trace(pid, children) do
    flags = if children, do: @kills_and_children, else: @kills
    :trace.process(:persistent_term.get(__MODULE__), pid, true, flags) == 1
  rescue
    # The process is dead, or the session is gone again, which the watcher finds.
    ArgumentError -> false
  end

  # Up to OTP 26.
  defp by_single_tracer(flags) do
    # Asked first, because the VM logs a second tracer as an error. `trace_info/2` takes twenty times as long.
    case :erlang.process_info(self(), :trace) do
      {:trace, 0} ->
        trace_by_native(flags)

      # It is traced by this library if a process whose children count has started it, otherwise by another tracer.
      _traced ->
        ours?() and trace_by_native(flags)
    end
  rescue
    # Another tracer came first.
    ArgumentError -> false
  end

  # `:erlang.trace/3` calls this function of OTP 25 and 26 after it has looked for the tracer in the flags and asked whether its module
  # is loaded, which takes a thirtieth of a short run. The module is loaded: it has made the account.
  defp trace_by_native(flags),
    do: :erts_internal.trace(self(), true, [{:tracer, Native, []} | flags]) == 1

  # The spec of OTP 25 knows no tracer that is a module.
  @dialyzer {:nowarn_function, ours?: 0}
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

  # One process at a time makes the session. It registers a name, and the others wait for it.
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
    # Another process is making it.
    ArgumentError ->
      ref = Process.monitor(@maker)

      receive do
        {:DOWN, ^ref, _, _, _} -> :ok
      end
  end
end
