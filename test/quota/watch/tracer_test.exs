defmodule Quota.Watch.TracerTest do
  # Alone, because it looks at what is logged, and traces.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  import ExUnit.CaptureLog

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  @mib 1024 * 1024

  defp grow(list), do: grow([list | list])

  defp collector, do: spawn_link(fn -> collect([]) end)

  defp collect(events) do
    receive do
      {:events, from} -> send(from, {:events, events})
      event -> collect([event | events])
    end
  end

  defp events(collector) do
    send(collector, {:events, self()})
    assert_receive {:events, events}
    events
  end

  # A process that somebody traces, with all that it starts. Says what `fun` returns there.
  defp traced(trace, fun) do
    task = Task.async(fn -> receive(do: (:go -> fun.())) end)
    trace.(task.pid)
    send(task.pid, :go)
    Task.await(task, 60_000)
  end

  # What the trace of the user must have: the message of each worker, with its tracer.
  defp works(test) do
    worker = fn ->
      send(test, {:at_work, self()})
      {:tracer, tracer} = :erlang.trace_info(self(), :tracer)
      tracer
    end

    tracer = Quota.run(@mib, worker)
    {:error, heap} = Quota.try_run(@mib, fn -> grow([]) end, label: "traced")
    # Ending it takes the guard, and not one look alone.
    {:error, slow} = Quota.try_run(@mib, fn -> grow_slowly([]) end)

    killed =
      try do
        Quota.run(@mib, fn -> Process.exit(self(), :kill) end)
      catch
        :exit, {:killed, {Quota, :run, _}} -> :killed
      end

    {tracer, heap.category, slow.category, killed}
  end

  defp grow_slowly(kept) do
    if rem(length(kept), 100) == 0, do: Process.sleep(1)
    grow_slowly([kept | Enum.to_list(1..100)])
  end

  # From OTP 27 to 29 two sessions to which they are delivered for one process crash the VM (erlang/otp issue 11624).
  test "events of collections are discarded, that of max_heap_size is not" do
    for tag <- [:gc_minor_start, :gc_minor_end, :gc_major_start, :gc_major_end],
        do: assert(Bounded.Native.enabled(tag, [], self()) == :discard)

    assert Bounded.Native.enabled(:gc_max_heap_size, [], self()) == :trace
  end

  test "somebody else's trace goes on, and so do quotas" do
    test = self()
    collector = collector()
    {trace, untrace} = user_trace(collector)

    log =
      capture_log(fn ->
        assert {tracer, :heap, :heap, :killed} = traced(trace, fn -> works(test) end)
        if Bounded.Vm.release() < 27, do: assert(tracer == collector)
      end)

    assert log == ""
    assert_received {:at_work, worker}
    # Traces are delivered late.
    eventually(fn ->
      assert Enum.any?(events(collector), &match?({_, ^worker, :send, _, _}, &1))
    end)

    untrace.()
  end

  test "what somebody else kills is no breach, while another trace hides why" do
    {trace, untrace} = user_trace(collector())

    outcomes =
      traced(trace, fn ->
        for n <- 1..200 do
          try do
            Quota.run(@mib, fn -> if rem(n, 2) == 0, do: grow([]), else: killed_from_outside() end)
          rescue
            error in Quota.ExceededError -> error.category
          catch
            :exit, {:killed, _} -> :killed
          end
        end
      end)

    assert Enum.frequencies(outcomes) == %{heap: 100, killed: 100}
    untrace.()
  end

  test "a limit that somebody else's trace was there before is enforced" do
    {trace, untrace} = user_trace(collector())

    for work <- [fn -> grow([]) end, fn -> keep([]) end] do
      {pid, ref} =
        spawn_monitor(fn ->
          receive do: (:go -> :ok)
          :ok = Quota.put_limit(@mib)
          work.()
        end)

      trace.(pid)
      send(pid, :go)
      assert_receive {:DOWN, ^ref, _, _, :killed}
    end

    untrace.()
  end

  defp killed_from_outside do
    worker = self()
    spawn(fn -> Process.exit(worker, :kill) end)
    # Not far from its limit.
    kept = Enum.to_list(1..20_000)
    Process.sleep(:infinity)
    kept
  end

  defp keep(kept), do: keep([:binary.copy(<<1>>, 10_000) | kept])

  # From OTP 27 on everybody may have a session; up to then a process has one tracer.
  defp user_trace(collector) do
    flags = [:send, :set_on_spawn]

    if Bounded.Vm.release() >= 27 do
      session = :trace.session_create(:somebody, collector, [])

      {fn pid -> :trace.process(session, pid, true, flags) end,
       fn -> :trace.session_destroy(session) end}
    else
      {fn pid -> :erlang.trace(pid, true, [{:tracer, collector} | flags]) end, fn -> :ok end}
    end
  end

  if String.to_integer(System.otp_release()) >= 27 do
    test "the session is made again when somebody has destroyed it, for many at once" do
      {:error, %Quota.ExceededError{}} = Quota.try_run(@mib, fn -> grow([]) end)
      session = :persistent_term.get(Quota.Watch.Tracer)
      :trace.session_destroy(session)

      runs = for _ <- 1..20, do: Task.async(fn -> Quota.try_run(@mib, fn -> grow([]) end) end)

      for outcome <- Task.await_many(runs, 60_000),
          do: assert({:error, %Quota.ExceededError{category: :heap}} = outcome)

      assert :persistent_term.get(Quota.Watch.Tracer) != session
    end
  end
end
