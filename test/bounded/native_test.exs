defmodule Bounded.NativeTest do
  use ExUnit.Case, async: true

  alias Bounded.Native

  test "an account counts what it is told and refuses nothing it was not told of" do
    account = Native.account_new(self(), 1_000, nil, nil)
    assert is_integer(Native.account_poll(account, 400, 100, 0, 0, 0))
    assert {400, 100, 0, 500, 500} = Native.account_usage(account)
    assert Native.account_poll(account, 1_001, 0, 0, 0, 0) == :over
    Native.account_close(account)
    assert {0, 0, 0, 0, 1_001} = Native.account_usage(account)
  end

  test "who decides about another process leaves the quota that it runs in" do
    [first, second] = for _ <- 1..2, do: Native.account_new(self(), 10_000, nil, nil)
    assert Native.account_adopt(first, self()) == :adopted
    assert Native.account_adopt(second, self()) == :taken
    refute Native.account_detach(second, self())
    assert {10_000, _, nil} = Native.own_usage()
    assert Native.account_detach(first, self())
    refute Native.in_quota(self())
    {pid, monitor} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^monitor, _, _, _}
    assert Native.account_adopt(second, pid) == :dead
    refute Native.in_quota(pid)
  end

  test "an account counts nothing that is told too late" do
    for ending <- [&Native.account_answered/1, &Native.account_close/1] do
      outer = Native.account_new(self(), 10_000, nil, nil)
      true = Native.account_attach(outer, self())
      account = Native.account_new(self(), 1_000, nil, nil)
      Native.account_poll(account, 400, 100, 0, 0, 0)
      assert {400, 100, 0, 500, 500} = Native.account_usage(outer)
      ending.(account)
      assert {0, 0, 0, 0, 500} = Native.account_usage(outer)
      # A guard that had looked before.
      Native.account_poll(account, 600, 100, 0, 0, 0)
      assert {0, 0, 0, 0, _} = Native.account_usage(outer)
      Native.account_detach(outer, self())
    end
  end
end
