defmodule Quota.Watchdog.LimitsTest do
  # There is one watchdog on a node.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Bounded.Native
  alias Bounded.Test.FakeGroup
  alias Quota.Watchdog

  @mib 1024 * 1024
  @call {__MODULE__, :idle, 0}

  @doc false
  def idle, do: Process.sleep(:infinity)

  @doc false
  def work, do: work()

  # A pass takes fifty milliseconds to get from the first process to the last: there are thousands in between.
  setup context do
    root = FakeGroup.create(1024 * @mib)
    first = spawn(__MODULE__, :idle, [])
    between = Map.get(context, :between, 5_000)
    processes = for _ <- 1..between//1, do: spawn(fn -> Process.sleep(:infinity) end)
    last = spawn(__MODULE__, :idle, [])
    on_exit(fn -> Enum.each([first, last | processes], &Process.exit(&1, :kill)) end)
    %{root: root, first: first, last: last}
  end

  # The pass has come to the first process, and not to the last.
  defp begin_pass(%{first: first}) do
    :ok = Watchdog.limit(@call, 16 * @mib)
    eventually(fn -> assert Native.in_quota(first) end)
  end

  test "a pass that has begun limits no process once its limit was taken back", context do
    start_supervised!({Watchdog, root: context.root})
    begin_pass(context)
    :ok = Watchdog.limit(@call, :infinity)
    limited = Native.in_quota(context.last)
    Process.sleep(300)
    assert Native.in_quota(context.last) == limited
  end

  @tag between: 0
  test "processes that are always at work are limited as well", context do
    start_supervised!({Watchdog, root: context.root})
    busy = for _ <- 1..System.schedulers_online(), do: spawn(__MODULE__, :work, [])
    on_exit(fn -> Enum.each(busy, &Process.exit(&1, :kill)) end)
    Process.sleep(50)
    :ok = Watchdog.limit({__MODULE__, :work, 0}, 16 * @mib)
    # The pass after that which has found them at work.
    eventually(fn -> assert Enum.all?(busy, &Native.in_quota/1) end, 30_000)
  end

  test "a watchdog that was stopped leaves no process, and its pass limits none", context do
    {:ok, watchdog} = Watchdog.start_link(root: context.root)
    begin_pass(context)
    GenServer.stop(watchdog)
    limited = Native.in_quota(context.last)
    assert Enum.filter(Process.list(), &watchdog?/1) == []
    Process.sleep(300)
    assert Native.in_quota(context.last) == limited
  end

  defp watchdog?(pid) do
    case Process.info(pid, :current_function) do
      {_, {module, _, _}} ->
        String.starts_with?("#{module}", "Elixir.Quota.Watchdog.") and module != __MODULE__

      nil ->
        false
    end
  end
end
