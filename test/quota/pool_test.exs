defmodule Quota.PoolTest do
  # Promises are counted in bytes of the whole node.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  import ExUnit.CaptureLog

  alias Quota.{Pool, PoolFullError}

  @moduletag :capture_log

  doctest Pool

  # Every limit takes half as much again of the pool.
  @limit Quota.mib(2)
  @charge Quota.mib(3)

  defp start(options \\ []) do
    name = :"pool_#{System.unique_integer([:positive])}"
    options = Keyword.merge([name: name, size: 4 * @charge], options)
    {pid, log} = with_log(fn -> start_supervised!({Pool, options}) end)
    %{name: name, pid: pid, log: log}
  end

  # Work that goes on until it is told to end; returns its process and the caller's.
  defp hold(name, limit, options) do
    test = self()

    caller =
      spawn(fn ->
        result =
          Quota.try_run(
            limit,
            fn ->
              send(test, {:began, self(), options[:label]})
              receive do: (:end -> :done)
            end,
            [pool: name] ++ options
          )

        send(test, {:ended, self(), result})
      end)

    caller
  end

  defp began do
    assert_receive {:began, worker, _label}, 2_000
    worker
  end

  defp holding(name, limit \\ @limit, options \\ []) do
    caller = hold(name, limit, options)
    {caller, began()}
  end

  # A process that keeps a megabyte made by work that has ended.
  defp keep(name, limit) do
    keeper = spawn(fn -> receive do: ({:keep, _binary} -> Process.sleep(:infinity)) end)
    make = fn -> BoundedBinary.copy(:binary.copy("x", 1_000_000)) end

    Quota.run(
      limit,
      fn ->
        send(keeper, {:keep, make.()})
        :ok
      end,
      pool: name
    )

    keeper
  end

  defp waiting(name, count), do: eventually(fn -> assert Pool.info(name).waiting == count end)

  defp empty(name) do
    eventually(fn ->
      assert %{reserved: 0, orphaned: 0, running: 0, waiting: 0, by_label: []} = Pool.info(name)
    end)
  end

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
  end

  describe "admission" do
    test "charges the limit and what it may be passed by, and gives it back" do
      %{name: name} = start()
      assert %{size: size, free: size, reserved: 0} = Pool.info(name)
      {_, worker} = holding(name)
      assert %{reserved: @charge, running: 1, admitted: 1, peak: @charge} = Pool.info(name)
      send(worker, :end)
      assert_receive {:ended, _, {:ok, :done}}
      empty(name)
      assert %{peak: @charge, admitted: 1, refused: 0} = Pool.info(name)
    end

    test "however the work dies" do
      %{name: name} = start()

      for death <- [
            fn -> raise "boom" end,
            fn -> throw(:ball) end,
            fn -> exit(:enough) end,
            fn -> Process.exit(self(), :kill) end,
            fn -> Enum.to_list(1..10_000_000) end
          ] do
        try do
          Quota.run(@limit, death, pool: name)
        rescue
          _ -> :ok
        catch
          _, _ -> :ok
        end

        empty(name)
      end

      assert {:error, %Quota.TimeoutError{}} =
               Quota.try_run(@limit, fn -> Process.sleep(:infinity) end, pool: name, timeout: 1)

      empty(name)
      {caller, _worker} = holding(name)
      kill(caller)
      empty(name)
      assert Pool.info(name).admitted == 7
    end

    test "bytes that outlive the work stay in use until they are gone" do
      %{name: name} = start()
      keeper = keep(name, @limit)

      eventually(fn ->
        assert %{running: 0, orphaned: bytes, reserved: bytes} = Pool.info(name)
        assert bytes >= 1_000_000 and bytes < 1_001_000
      end)

      kill(keeper)
      empty(name)
    end

    test "work nested in admitted work reserves nothing more" do
      %{name: name} = start()

      inner = fn -> Quota.run(Quota.mib(1), fn -> Pool.info(name).reserved end, pool: name) end
      assert Quota.run(@limit, inner, pool: name) == @charge
      empty(name)
    end

    test "says who holds what" do
      %{name: name} = start()
      holding(name, @limit, label: "import")
      holding(name, @limit, label: {:job, 7})
      holding(name, @limit, label: {:job, 7})
      holding(name, Quota.kib(64))

      assert Pool.info(name).by_label == [
               %{label: {:job, 7}, reserved: 2 * @charge, running: 2},
               %{label: "import", reserved: @charge, running: 1},
               %{label: nil, reserved: Quota.kib(96), running: 1}
             ]
    end
  end

  describe "put_limit/2" do
    # A process with a limit for its life, or the error that it was refused with.
    defp limited(name, limit) do
      test = self()

      pid =
        spawn(fn ->
          result =
            try do
              Quota.put_limit(limit, pool: name, label: :server)
            rescue
              error -> error
            end

          send(test, {:limited, self(), result})

          receive do: (:delete -> send(test, {:deleted, self(), Quota.delete_limit()}))
          receive do: (:end -> :ok)
        end)

      assert_receive {:limited, ^pid, result}, 2_000
      {pid, result}
    end

    test "reserves for the life of the process" do
      %{name: name} = start()
      {pid, :ok} = limited(name, @limit)
      assert [%{label: :server, reserved: @charge, running: 1}] = Pool.info(name).by_label
      kill(pid)
      empty(name)
    end

    test "or until the limit is deleted" do
      %{name: name} = start()
      {pid, :ok} = limited(name, @limit)
      send(pid, :delete)
      assert_receive {:deleted, ^pid, :ok}, 2_000
      assert %{reserved: 0, running: 0} = Pool.info(name)
      send(pid, :end)
    end

    test "is refused when the pool is full" do
      %{name: name} = start()
      {pid, :ok} = limited(name, 4 * @limit)
      {other, %PoolFullError{reason: :full, label: :server}} = limited(name, @limit)
      for pid <- [pid, other], do: kill(pid)
      empty(name)
    end
  end

  describe "refusal" do
    test "raises at once, with the figures" do
      %{name: name} = start()
      for _ <- 1..3, do: holding(name, @limit, label: :feed)
      holding(name, Quota.mib(1))

      error =
        assert_raise PoolFullError, fn ->
          Quota.run(@limit, fn -> flunk("must not begin") end, pool: name, label: "upload")
        end

      assert %{asked: @limit, charged: @charge, reason: :full, plug_status: 503} = error
      assert error.free == Quota.kib(1536)
      assert error.holders == [{:feed, 3 * @charge}, {nil, Quota.kib(1536)}]

      assert Exception.message(error) ==
               "the work \"upload\" asked for 2 MiB of the pool #{inspect(name)}, which takes 3 MiB; " <>
                 "1.5 MiB of 12 MiB are free. Held most by :feed (9 MiB), runs without a label " <>
                 "(1.5 MiB). Nothing was started: try again later"

      assert Pool.info(name).refused == 1
      assert {:error, %PoolFullError{}} = Quota.try_run(@limit, fn -> :ok end, pool: name)
    end

    test "a limit larger than the pool, a pool that is not there, options that make no sense" do
      %{name: name} = start()

      error =
        assert_raise ArgumentError, fn ->
          Quota.run(Quota.mib(9), fn -> :ok end, pool: name, pool_timeout: 1_000)
        end

      assert error.message =~ "a limit of 9 MiB takes 13.5 MiB of the pool"
      assert error.message =~ "12 MiB in all"

      assert_raise ArgumentError, ~r/there is no pool :nowhere/, fn ->
        Quota.run(@limit, fn -> :ok end, pool: :nowhere)
      end

      for options <- [[pool: "name"], [pool_timeout: 5], [pool: name, pool_timeout: -1]] do
        assert_raise ArgumentError, ~r/:pool/, fn -> Quota.run(@limit, fn -> :ok end, options) end
      end

      empty(name)
    end
  end

  describe "the queue" do
    test "waits for room, and is told of it" do
      %{name: name, pid: pid} = start()
      {_, worker} = holding(name, 4 * @limit)
      hold(name, @limit, pool_timeout: 5_000)
      waiting(name, 1)
      :erlang.trace(pid, true, [:receive])
      send(worker, :end)
      assert_receive {:trace, ^pid, :receive, :room}, 2_000
      :erlang.trace(pid, false, [:receive])
      send(began(), :end)
      assert_receive {:ended, _, {:ok, :done}}
      empty(name)
    end

    test "gives up at the deadline, and its place with it" do
      %{name: name} = start(max_waiting: 2)
      holding(name, 4 * @limit)

      assert {:error, %PoolFullError{reason: :timeout}} =
               Quota.try_run(@limit, fn -> :ok end, pool: name, pool_timeout: 20)

      eventually(fn -> assert %{waiting: 0, running: 1} = Pool.info(name) end)

      # Behind a head that still waits, too.
      hold(name, @limit, pool_timeout: :infinity)
      waiting(name, 1)

      for _ <- 1..3 do
        assert {:error, %PoolFullError{reason: :timeout}} =
                 Quota.try_run(@limit, fn -> :ok end, pool: name, pool_timeout: 5)

        waiting(name, 1)
      end
    end

    test "first come, first served: small requests starve no large one" do
      %{name: name} = start()
      {_, first} = holding(name, 2 * @limit)
      {_, second} = holding(name, @limit)
      hold(name, 4 * @limit, label: :large, pool_timeout: :infinity)
      waiting(name, 1)
      hold(name, @limit, label: :small, pool_timeout: :infinity)
      waiting(name, 2)

      # There is room for it, but others wait.
      assert {:error, %PoolFullError{reason: :queued}} =
               Quota.try_run(@limit, fn -> :ok end, pool: name)

      send(first, :end)
      refute_receive {:began, _, _}, 50
      send(second, :end)
      assert_receive {:began, large, :large}, 2_000
      refute_receive {:began, _, _}, 50
      send(large, :end)
      assert_receive {:began, small, :small}, 2_000
      send(small, :end)
      empty(name)
    end

    test "is bounded" do
      %{name: name} = start(max_waiting: 1)
      {_, worker} = holding(name, 4 * @limit)
      hold(name, @limit, pool_timeout: :infinity)
      waiting(name, 1)

      assert {:error, %PoolFullError{reason: :queue_full}} =
               Quota.try_run(@limit, fn -> :ok end, pool: name, pool_timeout: 10_000)

      send(worker, :end)
      send(began(), :end)
      empty(name)
    end

    test "forgets those who die waiting" do
      %{name: name} = start()
      {_, worker} = holding(name, 4 * @limit)
      caller = hold(name, 4 * @limit, pool_timeout: :infinity)
      waiting(name, 1)
      kill(caller)
      waiting(name, 0)
      send(worker, :end)
      empty(name)
    end

    test "finds room that nobody could announce" do
      %{name: name} = start()
      keeper = keep(name, 4 * @limit)
      hold(name, 4 * @limit, pool_timeout: :infinity)
      waiting(name, 1)
      kill(keeper)
      send(began(), :end)
      empty(name)
    end
  end

  describe "a crash of the pool's process" do
    test "loses no promise, makes none twice, and admits meanwhile" do
      %{name: name, pid: pid} = start()
      {_, worker} = holding(name)
      kill(pid)
      {_, other} = holding(name)
      eventually(fn -> assert Process.whereis(name) not in [nil, pid] end)
      assert %{reserved: reserved, running: 2} = Pool.info(name)
      assert reserved == 2 * @charge
      send(worker, :end)
      send(other, :end)
      empty(name)
    end

    test "those who wait come back in their order" do
      %{name: name, pid: pid} = start()
      {_, worker} = holding(name, 4 * @limit)

      for {label, count} <- [first: 1, second: 2, third: 3] do
        hold(name, 3 * @limit, label: label, pool_timeout: :infinity)
        waiting(name, count)
      end

      kill(pid)
      eventually(fn -> assert Process.whereis(name) not in [nil, pid] end)

      eventually(fn ->
        assert %{waiters: waiters} = :sys.get_state(name)
        assert map_size(waiters) == 3
      end)

      send(worker, :end)

      for label <- [:first, :second, :third] do
        assert_receive {:began, worker, ^label}, 2_000
        send(worker, :end)
      end

      empty(name)
    end

    test "newcomers are admitted again when nobody comes back" do
      %{name: name, pid: pid} = start()
      {_, worker} = holding(name, 4 * @limit)
      caller = hold(name, @limit, pool_timeout: :infinity)
      waiting(name, 1)
      kill(pid)
      kill(caller)
      send(worker, :end)
      eventually(fn -> assert {:ok, :ok} = Quota.try_run(@limit, fn -> :ok end, pool: name) end)
      empty(name)
    end
  end

  describe "the size" do
    test "is logged, with the options that take the memory up front" do
      %{name: name, log: log} = start(size: Quota.mib(16))
      assert log =~ "pool #{inspect(name)} promises 16 MiB"
      assert log =~ ~r/\+MMscs \d+ \+MMsco true/
    end

    test "must be there" do
      assert {:error, {{%ArgumentError{message: message}, []}, _}} =
               start_supervised({Pool, name: :far_too_large, size: Quota.gib(1_000_000)})

      assert message =~
               "cannot start the pool :far_too_large: the size is not there: 976.6 TiB asked for"

      assert message =~ ~r/can be promised. Ask for less/
      assert_raise ArgumentError, fn -> Pool.info(:far_too_large) end
    end

    test "options are checked" do
      for options <- [
            [],
            [name: "text", size: 1],
            [name: :pool, size: 0],
            [name: :pool, size: {:fraction, 1.5}],
            [name: :pool, size: 10_000_000, max_waiting: -1],
            [name: :pool, size: 10_000_000, unknown: 1]
          ] do
        assert_raise ArgumentError, fn -> Pool.start_link(options) end
      end
    end
  end

  test "admits nothing while it is paused, and again afterwards" do
    %{name: name} = start()
    %{pool: ledger} = Pool.Ledger.get(name)
    Bounded.Native.pool_set_paused(ledger, true)

    assert {:error, %PoolFullError{reason: :paused}} =
             Quota.try_run(@limit, fn -> :ok end, pool: name)

    # The pool's process looks at the node's pressure twice a second.
    assert {:ok, :ok} = Quota.try_run(@limit, fn -> :ok end, pool: name, pool_timeout: 5_000)
    empty(name)
  end
end
