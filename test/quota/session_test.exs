defmodule Quota.SessionTest do
  # Alone, because all quotas of the node are traced in the one session.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  # `:trace` came with OTP 27.
  @compile {:no_warn_undefined, :trace}

  if String.to_integer(System.otp_release()) < 27,
    do: @moduletag(skip: "trace sessions came with OTP 27")

  @mib 1024 * 1024

  defp destroy, do: :trace.session_destroy(:persistent_term.get(Quota.Watch.Tracer))

  test "work that runs is traced again when somebody has destroyed the session" do
    session = fn -> :persistent_term.get(Quota.Watch.Tracer) end

    work = fn ->
      destroyed = session.()
      destroy()
      eventually(fn -> assert session.() != destroyed end)
      new = session.()
      eventually(fn -> assert {:flags, [_ | _]} = :trace.info(new, self(), :flags) end)
      :traced
    end

    assert {:ok, :traced} = Quota.try_run(@mib, work, timeout: 10_000)
  end

  test "and what it has started meanwhile counts again, with what that has started" do
    test = self()
    idle = fn -> Process.sleep(:infinity) end

    work = fn ->
      destroy()

      child =
        spawn(fn ->
          send(test, {:grandchild, spawn(idle)})
          Process.sleep(:infinity)
        end)

      eventually(fn -> assert Bounded.Native.in_quota(child) end)
      later = spawn(idle)
      send(test, {:children, child, later, self()})
      Process.sleep(:infinity)
    end

    limits = [count: [:children], timeout: 10_000]
    run = Task.async(fn -> catch_exit(Quota.try_run(64 * @mib, work, limits)) end)
    assert_receive {:grandchild, grandchild}
    assert_receive {:children, child, later, worker}

    eventually(fn ->
      for pid <- [child, grandchild, later], do: assert(Bounded.Native.in_quota(pid))
    end)

    Process.exit(worker, :kill)
    assert {:killed, _} = Task.await(run)
    # Their guard kills them, and the run may be over before the VM has delivered its signals.
    eventually(fn -> for pid <- [child, grandchild, later], do: refute(Process.alive?(pid)) end)
  end

  test "counted children cannot grow unseen once the session is destroyed" do
    grown = fn ->
      kept = Enum.to_list(1..500_000)
      Process.sleep(:infinity)
      kept
    end

    work = fn ->
      destroy()
      for _ <- 1..6, do: spawn(grown)
      Process.sleep(5_000)
    end

    assert {:error, %Quota.ExceededError{category: :heap}} =
             Quota.try_run(20 * @mib, work, count: [:children], timeout: 20_000)
  end
end
