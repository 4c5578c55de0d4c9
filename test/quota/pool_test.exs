defmodule Quota.PoolTest do
  use Quota.PoolCase, async: false

  import Bounded.Format, only: [bytes: 1]

  doctest Pool

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
      half = charge(Quota.mib(1))
      free = @charge - half
      assert error.free == free
      assert error.holders == [{:feed, 3 * @charge}, {nil, half}]

      assert Exception.message(error) ==
               "the work \"upload\" was not admitted to the pool #{inspect(name)}: its limit of 2 MiB reserves #{bytes(@charge)}; " <>
                 "#{bytes(free)} of #{bytes(4 * @charge)} are free. Largest reservations: :feed (#{bytes(3 * @charge)}), " <>
                 "runs without a label (#{bytes(half)}). Nothing was started: try again later"

      assert Pool.info(name).refused == 1
      assert {:error, %PoolFullError{}} = Quota.try_run(@limit, fn -> :ok end, pool: name)
    end

    test "a limit larger than the pool, a pool that is not there, options that make no sense" do
      %{name: name} = start()

      error =
        assert_raise ArgumentError, fn ->
          Quota.run(Quota.mib(9), fn -> :ok end, pool: name, pool_timeout: 1_000)
        end

      assert error.message =~
               "a limit of 9 MiB reserves #{bytes(charge(Quota.mib(9)))}, more than the whole pool"

      assert error.message =~ "of #{bytes(4 * @charge)}: choose"

      assert_raise ArgumentError, ~r/there is no pool :nowhere/, fn ->
        Quota.run(@limit, fn -> :ok end, pool: :nowhere)
      end

      for options <- [[pool: "name"], [pool_timeout: 5], [pool: name, pool_timeout: -1]] do
        assert_raise ArgumentError, ~r/:pool/, fn -> Quota.run(@limit, fn -> :ok end, options) end
      end

      empty(name)
    end
  end

  describe "the size" do
    test "is logged" do
      %{name: name, log: log} = start(size: Quota.mib(16))
      assert log =~ "pool #{inspect(name)} has 16 MiB"
      assert log =~ "each limit reserves #{Quota.Pool.Overshoot.percent()} % of itself"
    end

    test "must be there" do
      assert {:error, {{%ArgumentError{message: message}, []}, _}} =
               start_supervised({Pool, name: :far_too_large, size: Quota.gib(1_000_000)})

      assert message =~
               "cannot start the pool :far_too_large: the node does not have its size: 976.6 TiB were asked for"

      assert message =~ ~r/a pool can have .*Choose a smaller size/
      assert_raise ArgumentError, fn -> Pool.info(:far_too_large) end
    end

    test "started again with another size, it has that one, and minds no stray message" do
      name = :"resized #{System.unique_integer([:positive])}"
      {:ok, pid} = Pool.start_link(name: name, size: 8 * @charge)
      GenServer.stop(pid)
      {:ok, pid} = Pool.start_link(name: name, size: 2 * @charge)
      assert Pool.info(name).size == 2 * @charge
      send(pid, :stray)
      assert Quota.run(@limit, fn -> :ok end, pool: name) == :ok
      assert_raise ArgumentError, fn -> Quota.run(4 * @limit, fn -> :ok end, pool: name) end
      GenServer.stop(pid)
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
