defmodule QuotaTest do
  use ExUnit.Case, async: true

  import Bounded.Eventually
  alias Quota.{ExceededError, TimeoutError}

  doctest Quota

  @mib 1024 * 1024

  defp grow(list), do: grow([list | list])

  defp keep(0, kept), do: length(kept)
  defp keep(n, kept), do: keep(n - 1, [:binary.copy(<<1>>, @mib) | kept])

  # However late the guard is, it comes.
  defp keep_slowly(kept) do
    Process.sleep(1)
    keep_slowly([:binary.copy(<<1>>, div(@mib, 4)) | kept])
  end

  describe "what the work ends with" do
    test "is returned" do
      assert Quota.run(@mib, fn -> {:ok, [1, %{a: "b"}]} end) == {:ok, [1, %{a: "b"}]}
    end

    test "an error reaches the caller as itself, with its stack trace" do
      error =
        assert_raise ArgumentError, "boo", fn ->
          Quota.run(@mib, fn -> raise ArgumentError, "boo" end)
        end

      assert error.message == "boo"

      try do
        Quota.run(@mib, fn -> String.to_integer(Process.get(:none, "x")) end)
      rescue
        ArgumentError ->
          assert [{:erlang, :binary_to_integer, ["x"], _} | _] = __STACKTRACE__
      end
    end

    test "throws and exits reach the caller as themselves" do
      assert catch_throw(Quota.run(@mib, fn -> throw({:some, "term"}) end)) == {:some, "term"}
      assert catch_exit(Quota.run(@mib, fn -> exit(:reason) end)) == :reason
      assert catch_exit(Quota.run(@mib, fn -> exit(:normal) end)) == :normal
    end

    test "without an answer, the caller exits with what the process died of" do
      fun = fn -> :proc_lib.hibernate(Function, :identity, [1]) end

      fun = fn ->
        send(self(), :wake)
        fun.()
      end

      assert {:normal, {Quota, :run, [@mib, ^fun, []]}} = catch_exit(Quota.run(@mib, fun))
    end

    test "a kill by someone else is no breach" do
      fun = fn ->
        worker = self()
        spawn(fn -> Process.exit(worker, :kill) end)
        Process.sleep(:infinity)
      end

      assert {:killed, {Quota, :run, [@mib, ^fun, [label: 1]]}} =
               catch_exit(Quota.run(@mib, fun, label: 1))
    end
  end

  describe "a breach" do
    test "by the heap" do
      {:error, error} = Quota.try_run(4 * @mib, fn -> grow([]) end, label: {:import, 7})
      assert %ExceededError{category: :heap, limit: 4_194_304, label: {:import, 7}} = error
      assert error.usage.heap > @mib
      assert error.usage.total == error.usage.heap + error.usage.binaries

      assert Exception.message(error) =~
               "the work {:import, 7} needed more than its limit of 4 MiB"
    end

    test "by binaries" do
      {:error, error} = Quota.try_run(16 * @mib, fn -> keep(10_000, []) end)
      assert %ExceededError{category: :binaries} = error
      assert error.usage.binaries > 12 * @mib
      assert Exception.message(error) =~ "BoundedBinary.slice/3"
    end

    test "by what it was started with and what it has added to that" do
      list = Enum.to_list(1..3_000)

      for _ <- 1..50 do
        fun = fn -> {list, Enum.map(list, &(&1 + 1))} end
        assert {:error, %{category: category}} = Quota.try_run(65_536, fun)
        assert category in [:heap, :result]
      end
    end

    test "by a flooded mailbox" do
      {:error, error} =
        Quota.try_run(16 * @mib, fn ->
          worker = self()
          spawn(fn -> flood(worker, Enum.to_list(1..1_000)) end)
          Process.sleep(:infinity)
        end)

      assert error.category == :heap
    end

    test "by the result: sharing is lost when it is copied" do
      fun = fn -> Enum.reduce(1..40, [], fn _, shared -> [shared | shared] end) end
      assert {:error, %{category: :result} = error} = Quota.try_run(8 * @mib, fun)
      assert Exception.message(error) =~ "result"

      for kind <- [&throw/1, &exit/1, &:erlang.error/1] do
        assert {:error, %{category: :result}} = Quota.try_run(8 * @mib, fn -> kind.(fun.()) end)
      end
    end

    @tag :native_speed
    test "leaves the caller and other quotas alone" do
      parent = self()

      tasks =
        for n <- 1..20 do
          Task.async(fn ->
            Quota.try_run(4 * @mib, fn ->
              if rem(n, 2) == 0, do: grow([]), else: {n, parent}
            end)
          end)
        end

      for {result, n} <- Enum.with_index(Task.await_many(tasks), 1) do
        if rem(n, 2) == 0,
          do: assert({:error, %{category: :heap}} = result),
          else: assert(result == {:ok, {n, parent}})
      end
    end

    @tag :native_speed
    test "is told from a kill by someone else, every time" do
      outcomes = for n <- 1..2_000, do: if(rem(n, 2) == 0, do: breached(), else: killed())
      assert Enum.frequencies(outcomes) == %{heap: 1_000, killed: 1_000}
    end
  end

  describe "nested quotas" do
    test "the inner one fails alone" do
      assert Quota.run(64 * @mib, fn ->
               {:error, %{limit: 4_194_304}} = Quota.try_run(4 * @mib, fn -> grow([]) end)
               :outer
             end) == :outer
    end

    test "the inner limit is what the outer one has left" do
      Quota.run(16 * @mib, fn ->
        kept = :binary.copy(<<1>>, 8 * @mib)
        {:error, error} = Quota.try_run(64 * @mib, fn -> keep_slowly([]) end)
        assert error.category == :binaries
        assert error.limit in (7 * @mib)..(8 * @mib)
        byte_size(kept)
      end)
    end

    test "give back what they used as soon as they answer" do
      Quota.run(8 * @mib, fn ->
        for _ <- 1..50 do
          assert Quota.run(6 * @mib, fn -> length(Enum.to_list(1..40_000)) end) == 40_000
        end
      end)
    end
  end

  describe "the caller" do
    test "takes the work along when it dies" do
      test = self()

      {caller, ref} =
        spawn_monitor(fn ->
          Quota.run(@mib, fn ->
            Process.flag(:trap_exit, true)
            send(test, {:worker, self()})
            Process.sleep(:infinity)
          end)
        end)

      assert_receive {:worker, worker}
      worker_ref = Process.monitor(worker)
      Process.exit(caller, :kill)
      assert_receive {:DOWN, ^ref, _, _, :killed}
      assert_receive {:DOWN, ^worker_ref, _, _, :killed}
    end

    test "is linked to nothing and receives nothing" do
      before = Process.info(self(), [:links, :monitors, :message_queue_len])
      Quota.run(@mib, fn -> Process.sleep(20) end)
      Quota.try_run(@mib, fn -> grow([]) end)
      Quota.try_run(@mib, fn -> Process.sleep(:infinity) end, timeout: 5)
      assert Process.info(self(), [:links, :monitors, :message_queue_len]) == before
    end

    test "is named in the work, with whom it was called by" do
      Process.put(:"$callers", [:grandparent])
      Logger.metadata(request_id: "r1")
      Process.put(:locale, "da")
      Process.put(:other, 1)
      caller = self()

      Quota.run(
        @mib,
        fn ->
          assert Process.get(:"$callers") == [caller, :grandparent]
          assert hd(Process.get(:"$ancestors")) == caller
          assert Logger.metadata()[:request_id] == "r1"
          assert Process.get(:locale) == "da"
          assert Process.get(:other) == nil
        end,
        inherit: [:locale]
      )
    end

    test "is told when the guard dies, and the work is killed" do
      test = self()

      reason =
        catch_exit(
          Quota.run(@mib, fn ->
            send(test, {:worker, self()})
            Process.exit(guard_of(self(), test), :kill)
            Process.sleep(:infinity)
          end)
        )

      assert {{:guard_died, _}, {Quota, :run, _}} = reason
      assert_received {:worker, worker}
      eventually(fn -> refute Process.alive?(worker) end)
    end
  end

  describe "a timeout" do
    test "kills the work" do
      test = self()

      error =
        assert_raise TimeoutError, ~r/"slow" took longer than its timeout of 500 ms/, fn ->
          Quota.run(
            @mib,
            fn ->
              send(test, {:worker, self()})
              Process.sleep(:infinity)
            end,
            timeout: 500,
            label: "slow"
          )
        end

      assert %TimeoutError{timeout: 500, limit: @mib, label: "slow"} = error
      assert_received {:worker, worker}
      eventually(fn -> refute Process.alive?(worker) end)
    end

    test "may be short" do
      assert {:error, %TimeoutError{}} =
               Quota.try_run(@mib, fn -> Process.sleep(:infinity) end, timeout: 0)
    end
  end

  describe "arguments" do
    test "that make no sense raise at once" do
      fun = fn -> :ok end

      assert_raise ArgumentError, ~r/from 65536 to .*, got: 65535/, fn ->
        Quota.run(65_535, fun)
      end

      assert_raise ArgumentError, ~r/must be an integer/, fn -> Quota.run(1.0e6, fun) end
      assert_raise ArgumentError, ~r/no arguments/, fn -> Quota.run(@mib, fn _ -> 1 end) end
      assert_raise ArgumentError, ~r/:tiemout/, fn -> Quota.run(@mib, fun, tiemout: 1) end
      assert_raise ArgumentError, ~r/:timeout/, fn -> Quota.run(@mib, fun, timeout: -1) end
      assert_raise ArgumentError, ~r/:inherit/, fn -> Quota.run(@mib, fun, inherit: :a) end
    end
  end

  describe "native memory" do
    test "that is refused raises in the work, by label and figures" do
      refused = fn ->
        Quota.Account.Reservation.charged(fn -> {:error, {:refused, {10, @mib, 20}}} end)
      end

      {:error, error} = Quota.try_run(@mib, refused, label: "native")
      assert %{category: :native, requested: 10, limit: @mib, label: "native"} = error
      assert error.usage.heap > 0
    end
  end

  # It may not have begun to monitor yet.
  defp guard_of(worker, caller) do
    {:monitored_by, by} = Process.info(worker, :monitored_by)

    case for pid <- by, is_pid(pid), pid != caller, do: pid do
      [guard] -> guard
      [] -> guard_of(worker, caller)
    end
  end

  defp breached do
    {:error, error} = Quota.try_run(128 * 1024, fn -> grow([]) end)
    error.category
  end

  defp killed do
    Quota.run(128 * 1024, fn -> Process.exit(self(), :kill) end)
  catch
    :exit, {:killed, {Quota, :run, _}} -> :killed
  end

  defp flood(pid, message) do
    if Process.alive?(pid) do
      for _ <- 1..100, do: send(pid, message)
      flood(pid, message)
    end
  end
end
