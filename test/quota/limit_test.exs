defmodule Quota.LimitTest do
  # `Quota.put_limit/2` and what else a guard does besides killing one process.
  use ExUnit.Case, async: true

  import Bounded.Eventually

  @mib 1024 * 1024

  defp grow(list), do: grow([list | list])
  defp keep(0, kept), do: length(kept)
  defp keep(n, kept), do: keep(n - 1, [:binary.copy(<<1>>, @mib) | kept])

  defp limited(opts, work) do
    spawn_monitor(fn ->
      Quota.put_limit(4 * @mib, opts)
      work.()
    end)
  end

  describe "put_limit/2" do
    test "kills, and nothing else" do
      {pid, ref} = limited([], fn -> grow([]) end)
      assert_receive {:DOWN, ^ref, _, ^pid, :killed}
    end

    test "survives nothing, not even trapping exits" do
      {_, ref} =
        limited([], fn ->
          Process.flag(:trap_exit, true)
          keep(10_000, [])
        end)

      assert_receive {:DOWN, ^ref, _, _, :killed}, 30_000
    end

    test "keeps nothing in the process dictionary and can be taken off" do
      task =
        Task.async(fn ->
          dictionary = Process.get()
          :ok = Quota.put_limit(4 * @mib, label: "task")
          :ok = Quota.put_limit(8 * @mib, label: "again")
          assert Process.get() == dictionary
          assert [%{label: "again", limit: 8_388_608}] = mine()
          :ok = Quota.delete_limit()
          assert mine() == []
          assert Quota.usage() == nil
          length(Enum.to_list(1..1_000_000))
        end)

      assert Task.await(task, 10_000) == 1_000_000
    end

    test "a limit that replaces another one is the only one" do
      Task.async(fn ->
        :ok = Quota.put_limit(2 * @mib)
        kept = BoundedBinary.copy("x", @mib)
        :ok = Quota.put_limit(16 * @mib)
        # Refused by the first limit as long as the second one was below it.
        assert byte_size(BoundedBinary.copy("x", 4 * @mib)) == 4 * @mib
        assert byte_size(kept) == @mib
      end)
      |> Task.await(10_000)

      Task.async(fn ->
        :ok = Quota.put_limit(16 * @mib)
        :ok = Quota.put_limit(2 * @mib)
        error = assert_raise Quota.ExceededError, fn -> BoundedBinary.copy("x", 4 * @mib) end
        assert error.limit == 2 * @mib
      end)
      |> Task.await(10_000)
    end

    test "in a pool a limit that replaces another one reserves its own bytes" do
      # How much a limit reserves depends on the release.
      size = Quota.Pool.Overshoot.charge(21 * @mib, Quota.Pool.Overshoot.percent())
      start_supervised!({Quota.Pool, name: __MODULE__.Pool, size: size})
      reserved = fn -> Quota.Pool.info(__MODULE__.Pool).reserved end

      Task.async(fn ->
        :ok = Quota.put_limit(16 * @mib, pool: __MODULE__.Pool)
        large = reserved.()
        :ok = Quota.put_limit(4 * @mib, pool: __MODULE__.Pool)
        # Each is rounded up to a byte.
        eventually(fn -> assert_in_delta reserved.(), div(large, 4), 1 end)
        # The pool has no room for both: the limit that there is stays.
        assert_raise Quota.PoolFullError, fn ->
          Quota.put_limit(19 * @mib, pool: __MODULE__.Pool)
        end

        assert [%{limit: 4_194_304}] = mine()
        :ok = Quota.delete_limit()
        eventually(fn -> assert reserved.() == 0 end)
      end)
      |> Task.await(10_000)
    end

    test "is refused inside a run" do
      assert_raise ArgumentError, ~r/nest Quota.run/, fn ->
        Quota.run(4 * @mib, fn -> Quota.put_limit(2 * @mib) end)
      end
    end

    test "knows its options" do
      for opts <- [
            [timeout: 1],
            [count: :ets],
            [max_queue: 0],
            [soft_limit: @mib * 8],
            [mode: :kill]
          ] do
        assert_raise ArgumentError, fn -> Quota.put_limit(4 * @mib, opts) end
      end
    end
  end

  describe "max_queue" do
    test "bounds the mailbox, and the error names the queue" do
      work = fn ->
        Enum.each(1..1_000, &send(self(), &1))
        forever()
      end

      {:error, error} = Quota.try_run(64 * @mib, work, max_queue: 50)
      assert error.category == :queue
      assert Exception.message(error) =~ "max_queue"
    end
  end

  describe "mode: :observe" do
    test "never kills" do
      assert Quota.run(@mib, fn -> length(Enum.to_list(1..500_000)) end, mode: :observe) ==
               500_000
    end

    # Walking a quarter of the node's memory takes seconds.
    @tag :slow
    @tag timeout: 300_000
    test "refuses nothing but a result that the node has no memory for" do
      # 640 bytes, and 16 TiB once copied.
      shared = fn -> Enum.reduce(1..40, [], fn _, shared -> [shared | shared] end) end
      assert %{category: :result} = error = catch_error(Quota.measure(shared))
      assert error.limit > @mib

      assert {:error, %{category: :result, limit: @mib}} =
               Quota.try_run(@mib, shared, mode: :observe)

      # Over its limit, but not over that.
      large = fn -> Enum.reduce(1..18, [], fn _, shared -> [shared | shared] end) end
      assert {[[_ | _] | _], usage} = Quota.measure(large)
      assert usage.peak > 0
      assert [[_ | _] | _] = Quota.run(@mib, large, mode: :observe)
    end
  end

  describe "count: [:ets]" do
    test "counts the tables of the work" do
      {:error, error} =
        Quota.try_run(16 * @mib, fn -> insert(:ets.new(:t, []), 0) end, count: [:ets])

      assert error.category == :ets
      assert error.usage.ets > 8 * @mib
    end
  end

  describe "count: [:children]" do
    test "counts what the work spawns, and all of it dies" do
      test = self()

      {:error, error} =
        Quota.try_run(
          16 * @mib,
          fn ->
            for _ <- 1..4, do: spawn(fn -> parent(test) end)
            forever()
          end,
          count: [:children]
        )

      assert error.category == :heap
      eventually(fn -> refute Enum.any?(children([]), &Process.alive?/1) end)
    end

    test "lets nothing outlive work that ends well" do
      test = self()

      Quota.run(
        16 * @mib,
        fn ->
          spawn(fn ->
            send(test, {:child, self()})
            forever()
          end)
        end,
        count: [:children]
      )

      eventually(fn -> refute Enum.any?(children([]), &Process.alive?/1) end)
    end

    test "finds tasks that a supervisor starts, and counts what is attached" do
      {:ok, supervisor} = Task.Supervisor.start_link()
      test = self()

      Quota.run(
        64 * @mib,
        fn ->
          task = Task.Supervisor.async_nolink(supervisor, fn -> forever() end)
          other = start_elsewhere(test)
          assert Quota.attach(other)
          send(test, {:child, task.pid})
          send(test, {:child, other})
          eventually(fn -> assert Bounded.Native.in_quota(task.pid) end)
        end,
        count: [:children]
      )

      eventually(fn -> refute Enum.any?(children([]), &Process.alive?/1) end)
      assert Process.alive?(supervisor)
    end

    test "attach/1 needs a quota that counts children" do
      assert_raise ArgumentError, fn -> Quota.attach(self()) end
    end

    test "attach/1 says what it takes" do
      for other <- [:name, nil, {:name, node()}, make_ref(), "pid"] do
        error = assert_raise ArgumentError, fn -> Quota.attach(other) end

        assert error.message ==
                 "Quota.attach/1 takes a pid of this node, got: #{inspect(other)}"
      end
    end
  end

  test "binaries that are referred to often count once where the guard decides" do
    if String.to_integer(System.otp_release()) < 26 do
      assert Quota.run(64 * @mib, fn ->
               one = :binary.copy(<<1>>, @mib)
               many = for n <- 1..200, do: {n, :binary.part(one, 0, @mib - n)}
               Process.sleep(100)
               :erlang.garbage_collect()
               Process.sleep(100)
               length(many)
             end) == 200
    end
  end

  test "measure/1 says what work took" do
    {200_000, usage} =
      Quota.measure(fn ->
        list = Enum.to_list(1..200_000)
        # Before it can be collected: peaks are what somebody saw.
        assert Quota.usage().heap > 2 * @mib
        length(list)
      end)

    assert usage.peaks.heap > 2 * @mib
    assert usage.live < usage.peak
    assert usage.reductions > 1_000 and usage.time > 0

    assert_raise ArgumentError, "boo", fn ->
      Quota.measure(fn -> raise ArgumentError, "boo" end)
    end
  end

  defp mine, do: Enum.filter(Quota.list(), &(&1.pid == self()))

  defp forever, do: Process.sleep(:infinity)

  defp insert(table, n) do
    :ets.insert(table, {n, Enum.to_list(1..100)})
    insert(table, n + 1)
  end

  defp parent(test) do
    spawn(fn -> child(test) end)
    forever()
  end

  defp child(test) do
    send(test, {:child, self()})
    grow_slowly([])
  end

  defp grow_slowly(list) do
    if rem(length(Process.get(:parts, [])), 10) == 0, do: :erlang.yield()
    Process.put(:parts, [Enum.to_list(1..1_000) | Process.get(:parts, [])])
    grow_slowly(list)
  end

  # By a process that the work did not start.
  defp start_elsewhere(test) do
    Agent.start(fn -> send(test, :started) end) |> elem(1)
  end

  defp children(known) do
    receive do
      {:child, pid} -> children([pid | known])
    after
      0 ->
        all = Process.get(:children, []) ++ known
        Process.put(:children, all)
        all
    end
  end
end
