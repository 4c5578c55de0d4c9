defmodule Quota.Watchdog.Reading.TickersTest do
  # One test holds a scheduler.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  alias Bounded.Vm
  alias Quota.Watchdog.Reading.Tickers

  @none_ms 200

  defp now, do: System.monotonic_time(:millisecond)

  defp flush do
    receive do
      :late -> flush()
    after
      0 -> :ok
    end
  end

  defp stop(tickers) do
    for pid <- tickers.pids do
      Process.unlink(pid)
      Process.exit(pid, :kill)
    end
  end

  # Where there is one scheduler, there are none.
  if System.schedulers_online() > 1 do
    test "say that a reading is late until it has come, and sleep when nothing grows" do
      tickers = Tickers.start_link()
      refute_receive :late, @none_ms
      Tickers.go_on(tickers, now(), now())
      assert_receive :late
      assert_receive :late
      Tickers.go_on(tickers, now(), now() + 60_000)
      flush()
      refute_receive :late, @none_ms
      Tickers.go_on(tickers, now(), now())
      assert_receive :late
      Tickers.sleep(tickers)
      Process.sleep(@none_ms)
      flush()
      refute_receive :late, @none_ms
      stop(tickers)
    end

    test "end with their process" do
      {pid, monitor} =
        spawn_monitor(fn ->
          Tickers.start_link().pids |> Enum.each(&send(&1, :stray))
          exit({:shutdown, Process.info(self(), :links)})
        end)

      assert_receive {:DOWN, ^monitor, _, ^pid, {:shutdown, {:links, tickers}}}
      assert length(tickers) == min(System.schedulers_online(), 4)
      eventually(fn -> refute Enum.any?(tickers, &Process.alive?/1) end)
    end

    test "wake a process whose scheduler is held by a collection" do
      # Without tickers one or two: now and then the other scheduler has something else to do.
      assert Enum.count(1..10, fn _ -> woken_before_its_scheduler?() end) >= 7
    end
  end

  # A collection of a long list holds the first scheduler, where the process waits that is to be woken.
  defp woken_before_its_scheduler? do
    me = self()
    options = [:link, priority: :max]
    holder = Vm.spawn_on(1, __MODULE__, :hold, [me], options)
    assert_receive :held
    late = Vm.spawn_on(1, __MODULE__, :wait, [me, holder], options)
    assert_receive {:waited, ^late, waited}
    assert_receive {:collected, ^holder, collected}
    waited < div(collected, 2)
  end

  def hold(owner) do
    list = Enum.to_list(1..6_000_000)
    send(owner, :held)
    receive(do: (:collect -> :ok))
    since = System.monotonic_time()
    :erlang.garbage_collect()
    send(owner, {:collected, self(), System.monotonic_time() - since})
    length(list)
  end

  # On the first scheduler, and bound to none.
  defp stay do
    Vm.unbind()

    if :erlang.system_info(:scheduler_id) != 1 do
      Vm.return(1)
      stay()
    end
  end

  def wait(owner, holder) do
    tickers = Tickers.start_link()
    Tickers.go_on(tickers, now(), now() + 5)
    stay()
    since = System.monotonic_time()
    send(holder, :collect)

    receive do
      :late -> :ok
    after
      10 -> :ok
    end

    send(owner, {:waited, self(), System.monotonic_time() - since})
    stop(tickers)
  end
end
