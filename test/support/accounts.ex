defmodule Bounded.Test.Accounts do
  @moduledoc false
  # Accounts without the machinery of `Quota.run/3`.

  alias Bounded.Native
  import ExUnit.Assertions

  @doc "Runs `fun` in a process of its own that charges a new account of `limit` bytes; returns the account."
  def in_account(limit, fun) do
    account = Native.account_new(self(), limit, nil, nil)

    task =
      Task.async(fn ->
        Native.account_attach(account, self())

        try do
          fun.(account)
        after
          Native.account_detach(account, self())
        end
      end)

    Task.await(task, :infinity)
    account
  end

  @doc "Bytes reserved of an account that observes nothing."
  def reserved(account) do
    {_heap, _binaries, _native, total, _peak} = Native.account_usage(account)
    total
  end

  @doc "Destructors run as scheduler work: waits for the last refund."
  def assert_refunded(account, milliseconds \\ 1_000) do
    assert eventually(fn -> reserved(account) == 0 end, milliseconds),
           "#{reserved(account)} bytes still charged"
  end

  @doc "Whether `condition` becomes true within `milliseconds`."
  def eventually(condition, milliseconds \\ 1_000) do
    poll(condition, System.monotonic_time(:millisecond) + milliseconds)
  end

  defp poll(condition, deadline) do
    cond do
      condition.() ->
        true

      System.monotonic_time(:millisecond) > deadline ->
        false

      true ->
        Process.sleep(1)
        poll(condition, deadline)
    end
  end
end
