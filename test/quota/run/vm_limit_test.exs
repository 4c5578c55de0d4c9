defmodule Quota.VmLimitTest do
  # `max_heap_size`: that of the quota, that of the work, that of the node.
  use ExUnit.Case, async: false

  alias Bounded.{Native, Vm}

  @mib 1024 * 1024

  defp own_flag, do: elem(Process.info(self(), :max_heap_size), 1)

  defp account do
    {account, _caller} = Native.own_account()
    account
  end

  test "work is held to some times its limit, and only told of it where it is observed" do
    {flag, bytes} = Vm.max_heap_size(8 * @mib, true, true)
    assert bytes == 8 * @mib * Vm.times()
    assert Quota.run(8 * @mib, &own_flag/0) == flag
    assert %{kill: false} = Quota.run(8 * @mib, &own_flag/0, mode: :observe)
  end

  test "the largest limit of all is one that the VM takes" do
    assert Quota.run(Quota.Options.largest(), fn -> :done end) == :done
  end

  test "dying of a lower flag of its own is no breach of the quota" do
    for opts <- [[], [mode: :observe]] do
      work = fn ->
        Process.flag(:max_heap_size, %{size: 100_000, kill: true, error_logger: false})
        Enum.sum(Enum.to_list(1..1_000_000))
      end

      assert {:killed, {Quota, :run, _}} = catch_exit(Quota.run(64 * @mib, work, opts))
    end
  end

  test "nor is passing one that kills nobody" do
    test = self()

    work = fn ->
      Process.flag(:max_heap_size, %{size: 100_000, kill: false, error_logger: false})
      send(test, {:account, account()})
      length(Enum.to_list(1..1_000_000))
    end

    assert Quota.run(64 * @mib, work) == 1_000_000
    assert_received {:account, account}
    assert Native.account_cause(account) == nil
  end

  test "a process that is only observed keeps a limit of its own" do
    flag = %{size: 100_000, kill: true, error_logger: false}

    task =
      Task.async(fn ->
        Process.flag(:max_heap_size, flag)
        :ok = Quota.put_limit(64 * @mib, mode: :observe)
        own_flag()
      end)

    assert Map.take(Task.await(task), [:size, :kill]) == %{size: 100_000, kill: true}
  end

  test "what the node holds every process to does not hold work within its quota" do
    before = Vm.default_max_heap_size()
    on_exit(fn -> :erlang.system_flag(:max_heap_size, before) end)
    binary = :binary.copy(<<1>>, 30_000_000)
    flag = %{size: 1_000_000, kill: true, error_logger: false}
    flag = if Vm.counts_binaries?(), do: Map.put(flag, :include_shared_binaries, true), else: flag
    :erlang.system_flag(:max_heap_size, flag)

    for opts <- [[], [count: [:children]], [mode: :observe]] do
      work = fn -> length(Enum.to_list(1..1_000_000)) + byte_size(binary) end
      assert Quota.run(256 * @mib, work, opts) == 31_000_000
    end
  end

  test "a heap that grows beyond what no guard can be waited for is ended by the VM, and the cause is known" do
    work = fn -> length(:erlang.binary_to_list(:binary.copy(<<1>>, 1_500_000))) end

    for _ <- 1..5, do: assert({:error, %{category: :heap}} = Quota.try_run(2 * @mib, work))
  end
end
