defmodule Quota.Pool.KilledTest do
  # Callers that are killed while they wait.
  use Quota.PoolCase, async: false

  # The pool's process used to keep the account of the dead caller in its garbage, until it happened to collect that.
  @tag :native_speed
  test "a caller that is killed when it is admitted leaves nothing reserved" do
    pool = start(size: @charge)

    for n <- 1..10 do
      {holder, _} = holding(pool.name)
      waiter = hold(pool.name, @limit, pool_timeout: :infinity)
      waiting(pool.name, 1)
      :erlang.suspend_process(waiter)
      Process.exit(holder, :kill)
      eventually(fn -> assert Pool.info(pool.name).admitted == 2 * n end)
      kill(waiter)
      eventually(fn -> assert %{reserved: 0, running: 0} = Pool.info(pool.name) end, 250)
    end
  end
end
