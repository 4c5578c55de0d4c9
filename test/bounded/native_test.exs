defmodule Bounded.NativeTest do
  use ExUnit.Case, async: true

  alias Bounded.Native

  test "an account counts what it is told and refuses nothing it was not told of" do
    account = Native.account_new(self(), 1_000)
    refute Native.account_observe(account, 400, 100)
    assert {400, 100, 0, 500, 500} = Native.account_usage(account)
    assert Native.account_headroom(account) == 500
    assert Native.account_observe(account, 1_001, 0)
    Native.account_close(account)
    assert {0, 0, 0, 0, 1_001} = Native.account_usage(account)
  end
end
