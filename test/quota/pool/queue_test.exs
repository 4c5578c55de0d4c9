defmodule Quota.Pool.QueueTest do
  use Quota.PoolCase, async: false

  test "waits for room, and is told of it" do
    %{name: name, pid: pid} = start()
    {_, worker} = holding(name, 4 * @limit)
    hold(name, @limit, pool_timeout: 5_000)
    waiting(name, 1)
    :erlang.trace(pid, true, [:receive])
    send(worker, :end)
    assert_receive {:trace, ^pid, :receive, :room}
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
    assert_receive {:began, large, :large}
    refute_receive {:began, _, _}, 50
    send(large, :end)
    assert_receive {:began, small, :small}
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

  describe "a crash of the pool's process" do
    test "loses no reservation, makes none twice, and admits meanwhile" do
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
        assert_receive {:began, worker, ^label}
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
end
