defmodule Quota.Watch.GuardTest do
  # What becomes of work whose guard somebody kills.
  use ExUnit.Case, async: true

  import Bounded.Eventually
  alias Bounded.Native

  @mib 1024 * 1024

  defp guard do
    {account, _caller} = Native.own_account()
    Native.account_guard(account) || guard()
  end

  defp kill(pid) do
    ref = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^ref, _, _, _}
  end

  defp limited(opts) do
    test = self()

    {pid, ref} =
      spawn_monitor(fn ->
        Process.flag(:trap_exit, true)
        :ok = Quota.put_limit(4 * @mib, opts)
        send(test, {:guard, guard()})
        receive do: (:stop -> :ok)
      end)

    assert_receive {:guard, guard}
    {pid, ref, guard}
  end

  # What asks for a process on a dirty scheduler gets other answers: work within its limit died of that.
  @tag :tmp_dir
  @tag :native_speed
  test "work that writes files all the while is judged like any other", %{tmp_dir: dir} do
    page = :binary.copy(<<1>>, @mib)

    work = fn ->
      worker = self()
      spawn(fn -> for _ <- 1..40, do: send(worker, {:page, page}) end)
      pages = for _ <- 1..40, do: receive(do: ({:page, page} -> page))
      path = Path.join(dir, "#{System.unique_integer([:positive])}")
      {:ok, file} = :file.open(path, [:raw, :write, :binary])
      for page <- Enum.take(Stream.cycle(pages), 40), do: :ok = :file.pwrite(file, 0, page)
      length(pages)
    end

    for opts <- [[], [mode: :observe]],
        _ <- 1..10,
        do: assert(Quota.run(16 * @mib, work, opts) == 40)
  end

  @tag :tmp_dir
  @tag :native_speed
  test "work that holds 11 of 16 MiB, read from a file by pieces, passes", %{
    tmp_dir: dir
  } do
    path = Path.join(dir, "pieces")
    File.write!(path, :binary.copy(<<1>>, 11 * @mib))

    work = fn ->
      {:ok, file} = :file.open(path, [:raw, :read, :binary])
      pieces = for _ <- 1..44, do: :file.read(file, 262_144)
      length(pieces)
    end

    for _ <- 1..10, do: assert(Quota.run(16 * @mib, work) == 44)
  end

  # A collection that the guard asks for waits until the process leaves a dirty scheduler. Messages may fill its mailbox meanwhile,
  # just before the guard is told. Tested on OTP 25, by whose sizes of heaps this garbage is over the limit and not far over it.
  if Bounded.Vm.release() == 25 do
    @tag :tmp_dir
    test "work whose garbage was collected, and whose messages are over its limit, is over it", %{
      tmp_dir: dir
    } do
      pipe = Path.join(dir, "pipe")
      {_, 0} = System.cmd("mkfifo", [pipe])
      messages = Enum.to_list(1..2_000_000)
      work = work_with_garbage(pipe)

      for _ <- 1..10 do
        run = Task.async(fn -> Quota.try_run(28 * @mib, work) end)
        assert_receive {:begins, worker, guard}
        :erlang.suspend_process(guard)
        send(worker, :go)
        assert_receive :garbage
        opening = {:current_function, {:prim_file, :open_nif, 2}}
        eventually(fn -> assert opening == Process.info(worker, :current_function) end)
        ref = deferred(guard)
        send(worker, messages)
        # Most of the time before the guard looks again, which it does each millisecond.
        send(guard, {:garbage_collect, ref, true})
        eventually(fn -> refute Process.alive?(guard) end)
        # Opened for both, it waits for nobody.
        {:ok, file} = :file.open(pipe, [:raw, :read, :write, :binary])
        :file.close(file)
        assert {:error, %Quota.ExceededError{category: :heap}} = Task.await(run)
      end
    end

    defp work_with_garbage(pipe) do
      test = self()

      fn ->
        Process.flag(:message_queue_data, :off_heap)
        send(test, {:begins, self(), guard()})
        receive do: (:go -> garbage(16_000_000))
        send(test, :garbage)
        # Returns when somebody writes to it.
        :file.open(pipe, [:raw, :read, :binary])
        Process.sleep(:infinity)
      end
    end

    # Some in the old heap, which no small collection frees.
    defp garbage(bytes) do
      list = Enum.to_list(1..div(bytes, 16))
      for _ <- 1..4, do: :erlang.garbage_collect(self(), type: :minor)
      length(list)
    end

    # Lets the guard go on until a collection that it has requested is deferred.
    defp deferred(guard) do
      collect = {Quota.Watch.ProcessStats, :collect, 1}
      :erlang.trace_pattern(collect, [{:_, [], [{:return_trace}]}], [:local])
      on_exit(fn -> :erlang.trace_pattern(collect, false, [:local]) end)
      :erlang.trace(guard, true, [:call])
      :erlang.resume_process(guard)
      assert_receive {:trace, ^guard, :return_from, ^collect, {:deferred, ref}}
      ref
    end
  end

  test "a process with a limit of its own dies with its guard" do
    {_, ref, guard} = limited([])
    kill(guard)
    assert_receive {:DOWN, ^ref, _, _, :killed}
  end

  test "so does one whose children count, and its children" do
    test = self()

    {_, ref} =
      spawn_monitor(fn ->
        :ok = Quota.put_limit(4 * @mib, count: [:children])
        child = spawn(fn -> Process.sleep(:infinity) end)
        eventually(fn -> assert Native.in_quota(child) end)
        send(test, {:at_work, guard(), child})
        Process.sleep(:infinity)
      end)

    assert_receive {:at_work, guard, child}
    child_ref = Process.monitor(child)
    kill(guard)
    assert_receive {:DOWN, ^ref, _, _, :killed}
    assert_receive {:DOWN, ^child_ref, _, _, _}
  end

  test "one that is only observed goes on" do
    {pid, ref, guard} = limited(mode: :observe)
    kill(guard)
    # Whoever lost its guard is looked at by now.
    {_, lost, other} = limited([])
    kill(other)
    assert_receive {:DOWN, ^lost, _, _, :killed}
    send(pid, :stop)
    assert_receive {:DOWN, ^ref, _, _, :normal}
  end

  test "one that has taken its limit off has no guard to lose" do
    for _ <- 1..200 do
      Task.await(
        Task.async(fn ->
          :ok = Quota.put_limit(4 * @mib)
          guard = guard()
          :ok = Quota.delete_limit()
          refute Process.alive?(guard)
        end)
      )
    end
  end

  test "the caller of a run is told, where its guard is there from the beginning as well" do
    for opts <- [[], [count: [:children]], [soft_limit: @mib]] do
      work = fn ->
        kill(guard())
        Process.sleep(:infinity)
      end

      # Where the orphan monitor was faster, the caller monitors its guard too late to be told of its end.
      assert {{:guard_died, :killed}, {Quota, :run, [_, ^work, ^opts]}} =
               catch_exit(Quota.run(4 * @mib, work, opts))
    end
  end

  test "work without a caller dies with its guard" do
    test = self()

    caller =
      spawn(fn ->
        Quota.run(4 * @mib, fn ->
          Process.flag(:trap_exit, true)
          send(test, {:worker, self(), guard()})
          Process.sleep(:infinity)
        end)
      end)

    assert_receive {:worker, worker, guard}
    # Neither can do anything for the other.
    :erlang.suspend_process(guard)
    kill(caller)
    kill(guard)
    eventually(fn -> refute Process.alive?(worker) end)
  end

  test "work can attach others from its first moment on" do
    for _ <- 1..50 do
      assert Quota.run(
               4 * @mib,
               fn -> Quota.attach(spawn(fn -> Process.sleep(:infinity) end)) end,
               count: [:children]
             )
    end
  end

  describe "a killed watcher of a counted process" do
    # What the guard of `pid` has started to watch it and what it starts.
    defp watchers(guard) do
      {:monitored_by, all} = Process.info(guard, :monitored_by)

      for pid <- all,
          is_pid(pid),
          {:current_function, {module, _, _}} <- [Process.info(pid, :current_function)],
          module in [Quota.Watch.ChildWatcher, Quota.Watch.BatchWatcher],
          do: {module, pid}
    end

    defp watcher(guard, module) do
      case List.keyfind(watchers(guard), module, 0) do
        {_, pid} -> pid
        nil -> watcher(guard, module)
      end
    end

    defp children(n), do: for(_ <- 1..n, do: spawn(fn -> Process.sleep(:infinity) end))

    test "ends the work and what it has started, and the caller is told" do
      test = self()

      for {module, n} <- [{Quota.Watch.ChildWatcher, 2}, {Quota.Watch.BatchWatcher, 60}] do
        work = fn ->
          children = children(n)
          send(test, {:children, children})
          kill(watcher(guard(), module))
          Process.sleep(:infinity)
        end

        opts = [count: [:children]]

        assert {{:guard_died, {:watcher_died, :killed}}, {Quota, :run, [_, ^work, ^opts]}} =
                 catch_exit(Quota.run(16 * @mib, work, opts))

        assert_receive {:children, children}
        eventually(fn -> refute Enum.any?(children, &Process.alive?/1) end)
      end
    end

    test "ends a process with a limit of its own and what it has started" do
      test = self()

      for {module, n} <- [{Quota.Watch.ChildWatcher, 2}, {Quota.Watch.BatchWatcher, 60}] do
        {_, ref} =
          spawn_monitor(fn ->
            :ok = Quota.put_limit(16 * @mib, count: [:children])
            send(test, {:at_work, guard(), children(n)})
            Process.sleep(:infinity)
          end)

        assert_receive {:at_work, guard, children}
        kill(watcher(guard, module))
        assert_receive {:DOWN, ^ref, _, _, :killed}
        eventually(fn -> refute Enum.any?(children, &Process.alive?/1) end)
      end
    end

    test "ends nothing where the work is only observed" do
      assert :done ==
               Quota.run(
                 16 * @mib,
                 fn ->
                   [child] = children(1)
                   kill(watcher(guard(), Quota.Watch.ChildWatcher))
                   # Its guard has been told before it answers this.
                   true = Quota.attach(spawn(fn -> Process.sleep(:infinity) end))
                   true = Process.alive?(child)
                   :done
                 end,
                 count: [:children],
                 mode: :observe
               )
    end
  end

  test "a process that takes its limit off lives on, though its children counted" do
    Task.await(
      Task.async(fn ->
        :ok = Quota.put_limit(16 * @mib, count: [:children])
        guard = guard()
        eventually(fn -> assert [_ | _] = watchers(guard) end)
        watchers = for {_, pid} <- watchers(guard), do: Process.monitor(pid)
        :ok = Quota.delete_limit()
        for ref <- watchers, do: assert_receive({:DOWN, ^ref, _, _, :normal})
      end)
    )
  end
end
