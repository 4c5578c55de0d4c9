defmodule Quota.OptionsTest do
  use ExUnit.Case, async: true
  import Bitwise, only: [<<<: 2]

  @mib Quota.mib(1)
  @largest 1 <<< 59
  @longest (1 <<< 32) - 1

  # `run/3` and `put_limit/2` refuse in the same words, and leave nothing behind.
  defp refused(limit, opts, message) do
    error = assert_raise ArgumentError, fn -> Quota.run(limit, fn -> :ok end, opts) end
    assert Exception.message(error) =~ message

    unless is_list(opts) and
             Enum.any?([:timeout, :inherit], &(Exception.message(error) =~ "#{&1}")) do
      error = assert_raise ArgumentError, fn -> Quota.put_limit(limit, opts) end
      assert Exception.message(error) =~ message
      assert Quota.usage() == nil
    end

    assert Enum.all?(Quota.list(), &(&1.caller != self()))
  end

  test "the limit" do
    for limit <- [
          -1,
          0,
          65_535,
          @largest + 1,
          1 <<< 62,
          1 <<< 64,
          1 <<< 200,
          1.0e9,
          :x,
          nil,
          "64"
        ] do
      refused(limit, [], "from #{Quota.Options.smallest()} to #{@largest}")
      refused(limit, [mode: :observe], "from #{Quota.Options.smallest()} to #{@largest}")
    end

    for limit <- [Quota.Options.smallest(), @largest], mode <- [:enforce, :observe] do
      assert Quota.run(limit, fn -> :ok end, mode: mode) == :ok
    end

    assert :ok = Quota.put_limit(@largest)
    assert [%{limit: @largest}] = Enum.filter(Quota.list(), &(&1.pid == self()))
    assert :ok = Quota.delete_limit()
  end

  test "options are a keyword list" do
    for opts <- [:x, %{}, nil, 1, [1], [{:mode, :observe} | :x]],
        do: refused(@mib, opts, "keyword list")

    refused(@mib, [a: 1], "unknown keys [:a]")
    assert_raise ArgumentError, ~r/keyword list/, fn -> Quota.Pool.start_link([1 | 2]) end
  end

  test "timeouts" do
    for timeout <- [-1, 1.5, nil, :x, @longest + 1, 1 <<< 200] do
      refused(@mib, [timeout: timeout], "from 0 to #{@longest} milliseconds, or :infinity")

      refused(
        @mib,
        [pool: P, pool_timeout: timeout],
        "from 0 to #{@longest} milliseconds, or :infinity"
      )
    end

    # Longer than it takes to start a guard.
    assert Quota.run(@mib, fn -> Process.sleep(5) end, timeout: @longest) == :ok
    refute_received _
  end

  test "a pool may be waited for as long" do
    {:ok, _} = Quota.Pool.start_link(name: Quota.OptionsTest.Pool, size: Quota.mib(2))
    test = self()

    first =
      Task.async(fn ->
        wait = fn ->
          send(test, :in)
          receive do: (:go -> :ok)
        end

        Quota.run(@mib, wait, pool: Quota.OptionsTest.Pool)
      end)

    assert_receive :in

    second =
      Task.async(fn ->
        Quota.run(@mib, fn -> :ok end, pool: Quota.OptionsTest.Pool, pool_timeout: @longest)
      end)

    Bounded.Eventually.eventually(fn ->
      assert %{waiting: 1} = Quota.Pool.info(Quota.OptionsTest.Pool)
    end)

    for %{caller: caller, pid: pid} <- Quota.list(), caller == first.pid, do: send(pid, :go)
    assert Task.await_many([first, second]) == [:ok, :ok]
  end

  test "the rest" do
    for soft <- [0, -1, @mib + 1, 1 <<< 80, 1.5],
        do: refused(@mib, [soft_limit: soft], "to the limit of #{@mib}")

    for queue <- [0, -1, 1 <<< 32, 1 <<< 64, 1.5, :x],
        do: refused(@mib, [max_queue: queue], "from 1 to #{@longest}")

    for count <- [nil, :children, [:x], [:children | :ets]],
        do: refused(@mib, [count: count], ":count must be a list")

    for most <- [-1, 1 <<< 32, 1.5, :x],
        do:
          refused(
            @mib,
            [count: [:children], max_children: most],
            "max_children must be from 0 to"
          )

    refused(@mib, [max_children: 1], "max_children limits the processes that count: [:children]")

    for keys <- [:x, [1 | 2]], do: refused(@mib, [inherit: keys], ":inherit must be a list")
    for pool <- ["x", 1, {:x}], do: refused(@mib, [pool: pool], ":pool must be the name")
    refused(@mib, [pool_timeout: 5], "pass :pool as well")
    refused(@mib, [mode: :x], ":mode must be :enforce or :observe")
    refused(@mib, [shared_binaries: nil], "true or false")
  end

  test "what is measured is a function" do
    for fun <- [:x, fn _ -> :ok end, {Kernel, :node, []}] do
      assert_raise ArgumentError, ~r/expected a function of no arguments, got: /, fn ->
        Quota.measure(fun)
      end
    end
  end

  test "a pool may have a part of what the node may use" do
    {:ok, pid} = Quota.Pool.start_link(name: Quota.OptionsTest.Part, size: {:fraction, 0.5})
    assert %{size: size} = Quota.Pool.info(Quota.OptionsTest.Part)
    assert size in 1..Bounded.Cgroup.memory(Bounded.Cgroup.find()).limit
    GenServer.stop(pid)
  end

  test "the options of a pool" do
    for size <- [
          nil,
          0,
          -1,
          1.5,
          @largest + 1,
          1 <<< 64,
          {:fraction, 0.0},
          {:fraction, 1.0},
          {:fraction, 1}
        ] do
      assert_raise ArgumentError, ~r/from 65536 to #{@largest}/, fn ->
        Quota.Pool.start_link(name: Quota.OptionsTest.None, size: size)
      end
    end

    for max <- [nil, -1, 1.5, 1 <<< 62] do
      assert_raise ArgumentError, ~r/from 0 to 134217727/, fn ->
        Quota.Pool.start_link(name: Quota.OptionsTest.None, size: @mib, max_waiting: max)
      end
    end

    for name <- [nil, true, "x"] do
      assert_raise ArgumentError, ~r/:name must be an atom/, fn ->
        Quota.Pool.start_link(name: name, size: @mib)
      end
    end
  end
end
