defmodule Quota.Watch.EtsTest do
  # How often tables are sampled.
  use ExUnit.Case, async: true

  alias Bounded.Native
  alias Bounded.Test.Accounts
  alias Quota.Run.LastLook
  alias Quota.Watch.{Ets, Policy}

  @mib 1024 * 1024

  @tag :native_speed
  test "a table that does not change is sampled more and more rarely, one that does at once" do
    # Without a guard: one that samples at the same time holds each binary as well, and its share counts for half.
    Accounts.in_account(16 * @mib, &sampled_rarely/1)
  end

  defp sampled_rarely(account) do
    table = :ets.new(:t, [:public])
    for key <- 1..100, do: :ets.insert(table, {key, :binary.copy(<<1>>, 1_000)})
    # What the work refers to as well does not count as the table's.
    :erlang.garbage_collect()

    tables = observed(nil, account)
    {_info, bytes, until, fresh} = tables.known[table]
    assert bytes >= 80_000

    tables = observed(tables, account, until)
    {_info, again, until, longer} = tables.known[table]
    assert_in_delta again, bytes, bytes / 4
    assert longer == 2 * fresh

    # It grew: the estimate of before says nothing.
    :ets.insert(table, {0, :binary.copy(<<1>>, 100_000)})
    :erlang.garbage_collect()
    tables = observed(tables, account)
    assert {_info, more, later, ^fresh} = tables.known[table]
    assert more > bytes * 1.5
    assert later > until - longer
  end

  # Found by chaos: other processes kept the guard from running.
  test "work whose tables are over its limit does not return, whether its guard has looked or not" do
    # Nothing else runs while the work fills its table, which takes a millisecond or two.
    outcomes =
      for _ <- 1..20 do
        Quota.try_run(
          @mib,
          fn ->
            Process.flag(:priority, :max)
            table = :ets.new(:t, [:private])
            for key <- 1..20_000, do: :ets.insert(table, {key, key, key, key})
            :ets.info(table, :size)
          end,
          count: [:ets]
        )
      end

    assert Enum.all?(outcomes, &match?({:error, %{category: :ets}}, &1))
  end

  test "the guard samples tables for the last look too: two processes at once would count half each" do
    test = self()

    for {megabytes, expected} <- [{20, :error}, {10, :ok}] do
      task =
        Task.async(fn ->
          Quota.try_run(
            16 * @mib,
            fn ->
              {account, _} = Native.own_account()
              send(test, {:ready, self(), Native.account_guard(account)})
              receive(do: (:go -> :ok))
              table = :ets.new(:t, [:public])
              for key <- 1..megabytes, do: :ets.insert(table, {key, <<key::size(@mib)-unit(8)>>})
              :erlang.garbage_collect()
            end,
            count: [:ets]
          )
        end)

      assert_receive {:ready, work, guard}
      :erlang.suspend_process(guard)
      send(work, :go)
      # The work has ended, and waits for its guard.
      assert Accounts.eventually(fn -> waits_for?(work, guard) end, 30_000)
      refute Task.yield(task, 20)
      :erlang.resume_process(guard)
      assert {^expected, _} = Task.await(task, 60_000)
    end
  end

  defp waits_for?(work, guard),
    do: Process.info(work, [:status, :monitors]) == [status: :waiting, monitors: [process: guard]]

  test "where there is no guard, the work samples its tables itself" do
    look = fn account, megabytes ->
      table = :ets.new(:t, [:public])
      for key <- 1..megabytes, do: :ets.insert(table, {key, <<key::size(@mib)-unit(8)>>})
      :erlang.garbage_collect()
      LastLook.look(account, %Policy{ets: true}, {:ok, nil}, LastLook.unlisted?(), false)
    end

    Accounts.in_account(16 * @mib, fn account ->
      assert look.(account, 10) == :within
      assert look.(account, 10) == :over
    end)
  end

  test "an estimate stays where rows have become too large to be read" do
    Accounts.in_account(@mib, fn account ->
      table = :ets.new(:t, [:public])
      :ets.insert(table, {1, :binary.copy(<<1>>, 300_000)})
      :erlang.garbage_collect()
      tables = observed(nil, account)
      {_info, bytes, _until, _fresh} = tables.known[table]
      assert bytes == 300_000

      # The heap limit of the sampler is half a MiB.
      :ets.insert(table, {2, List.duplicate(:element, 40_000)})
      tables = observed(tables, account)
      assert {{2, _words}, ^bytes, _until, _fresh} = tables.known[table]
    end)
  end

  # One look once `until` has passed, whenever the one before was.
  defp observed(tables, account, until \\ nil) do
    wait_until(until)
    tables = if tables, do: %{tables | next: now()}
    Ets.observe(tables, account, self())
  end

  defp wait_until(until) do
    if until != nil and now() <= until do
      Process.sleep(5)
      wait_until(until)
    end
  end

  defp now, do: System.monotonic_time(:microsecond)
end
