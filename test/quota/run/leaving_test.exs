defmodule Quota.Run.LeavingTest do
  # Work without a guard leaves its account by itself as it ends. Whatever prevents that, it is not left behind there.
  use ExUnit.Case, async: true

  import Bounded.Eventually

  alias Bounded.Native

  @limit Quota.mib(4)

  defp work(result) do
    test = self()

    fn ->
      {account, _caller} = Native.own_account()
      send(test, {:worker, self(), account})
      result.()
    end
  end

  defp worker do
    assert_received {:worker, worker, account}
    {worker, account}
  end

  defp left(worker), do: eventually(fn -> refute Native.in_quota(worker) end)

  test "it has left when its result is there" do
    for value <- [:ok, nil, 12, 1.5, []] do
      assert Quota.run(@limit, work(fn -> value end)) == value
      {worker, account} = worker()
      refute Native.in_quota(worker)
      # The heap of the smallest process, at least, was noted on the way.
      assert {0, 0, 0, 0, peak} = Native.account_usage(account)
      assert peak > 1_000
    end
  end

  test "or soon, where the result is larger or it raises" do
    assert Quota.run(@limit, work(fn -> {:a, "tuple"} end)) == {:a, "tuple"}
    left(elem(worker(), 0))

    assert_raise RuntimeError, fn -> Quota.run(@limit, work(fn -> raise "so" end)) end
    left(elem(worker(), 0))

    assert catch_exit(Quota.run(@limit, work(fn -> Process.exit(self(), :kill) end)))
    left(elem(worker(), 0))
  end

  test "or soon, where it is stopped before its guard has started" do
    work = work(fn -> Process.sleep(:infinity) end)
    assert {:error, %Quota.TimeoutError{}} = Quota.try_run(@limit, work, timeout: 0)

    receive do
      {:worker, worker, _} -> left(worker)
    after
      # It was killed before it began.
      100 -> :ok
    end
  end

  test "or soon, where its caller is killed meanwhile" do
    test = self()

    for delay <- [0, 1, 3] do
      caller =
        spawn(fn ->
          Quota.run(@limit, fn ->
            send(test, {:begun, self()})
            # Longer than a guard needs to start.
            spin(delay)
            :ok
          end)
        end)

      assert_receive {:begun, worker}
      Process.exit(caller, :kill)
      left(worker)
    end
  end

  defp spin(milliseconds) do
    until = System.monotonic_time(:millisecond) + milliseconds
    Stream.repeatedly(fn -> System.monotonic_time(:millisecond) end) |> Enum.find(&(&1 >= until))
  end

  test "native memory that it still holds counts until it is dead" do
    work =
      work(fn ->
        {:ok, parser} = BoundedXml.Parser.new()
        Process.put(:kept, parser)
        :ok
      end)

    assert Quota.run(@limit, work) == :ok
    {worker, account} = worker()
    left(worker)
    assert {_, _, _, _, peak} = Native.account_usage(account)
    assert peak > 10_000
    eventually(fn -> assert {0, 0, 0, 0, _} = Native.account_usage(account) end)
  end

  test "a pool has its memory back only when it is dead" do
    pool = start_supervised!({Quota.Pool, name: __MODULE__.Pool, size: Quota.mib(64)})
    assert is_pid(pool)
    assert Quota.run(@limit, work(fn -> :ok end), pool: __MODULE__.Pool) == :ok
    {worker, _account} = worker()

    eventually(fn ->
      assert %{reserved: 0} = Quota.Pool.info(__MODULE__.Pool)
      refute Process.alive?(worker)
    end)
  end
end
