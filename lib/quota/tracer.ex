defmodule Quota.Tracer do
  @moduledoc false
  # Has the VM report to `Bounded.Native.trace/5` when it kills the calling process for its heap.
  #
  # Up to OTP 26 a process has one tracer: if somebody else traces it, they keep it. From OTP 27 there
  # is one trace session for the whole node, made when first needed. It belongs to no process and no
  # application, and is made again when somebody has destroyed it.

  alias Quota.Vm

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  @maker __MODULE__

  @doc "Traces the calling process. Says whether it could."
  def trace_self do
    if Vm.release() >= 27, do: in_session(), else: alone()
  end

  defp alone do
    case :erlang.trace_info(self(), :flags) do
      {:flags, []} ->
        :erlang.trace(self(), true, [:garbage_collection, {:tracer, Bounded.Native, []}]) == 1

      _traced ->
        false
    end
  rescue
    # Somebody else was faster.
    ArgumentError -> false
  end

  defp in_session do
    trace_in(:persistent_term.get(__MODULE__, nil)) or trace_in(new_session())
  end

  defp trace_in(nil), do: false

  defp trace_in(session) do
    :trace.process(session, self(), true, [:garbage_collection]) == 1
  rescue
    # The session is gone.
    ArgumentError -> false
  end

  # One process at a time makes the session; it registers a name, so that the others wait for it.
  defp new_session do
    known = :persistent_term.get(__MODULE__, nil)
    {_, ref} = spawn_monitor(fn -> make_session(known) end)

    receive do
      {:DOWN, ^ref, _, _, _} -> :persistent_term.get(__MODULE__, nil)
    end
  end

  defp make_session(known) do
    Process.register(self(), @maker)

    if :persistent_term.get(__MODULE__, nil) == known do
      session = :trace.session_create(:bounded_quota, {Bounded.Native, []}, [])
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
