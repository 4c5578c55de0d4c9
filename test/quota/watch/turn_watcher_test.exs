defmodule Quota.Watch.TurnWatcherTest do
  # Alone, because it looks at processes of the node, and measures memory.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  alias Quota.Watch.TurnWatcher

  @mib 1024 * 1024
  @words 2_000_000

  defp run(limit, work), do: Quota.try_run(limit, work, count: [:children], timeout: 30_000)

  # Each makes a tuple of `words` in one call that does not yield, when all have started.
  defp at_once(count, words, test) do
    make = fn i ->
      receive do: (:go -> send(test, {:began, i}))
      tuple = :erlang.make_tuple(words, 0)
      send(test, {:made, i})
      Process.sleep(:infinity)
      tuple
    end

    children = for i <- 1..count, do: spawn(fn -> make.(i) end)
    Enum.each(children, &send(&1, :go))
    children
  end

  defp count(tag, sum) do
    receive do
      {^tag, _} -> count(tag, sum + 1)
    after
      0 -> sum
    end
  end

  test "children that take much in one call each are stopped before most have begun" do
    test = self()

    work = fn ->
      at_once(100, @words, test)
      Process.sleep(:infinity)
    end

    assert {:error, %Quota.ExceededError{category: :heap}} = run(64 * @mib, work)
    assert count(:began, 0) < 50
  end

  test "children whose calls are long, and which stay within the limit, go on" do
    work = fn ->
      at_once(20, div(@words, 10), self())
      for i <- 1..20, do: receive(do: ({:made, ^i} -> :ok))
      :done
    end

    assert run(256 * @mib, work) == {:ok, :done}
  end

  test "children that take much one after the other go on" do
    one = fn ->
      {_, ref} = spawn_monitor(fn -> tuple_size(:erlang.make_tuple(@words, 0)) end)
      receive do: ({:DOWN, ^ref, _, _, _} -> :ok)
    end

    work = fn -> Enum.each(1..10, fn _ -> one.() end) end
    assert run(24 * @mib, work) == {:ok, :ok}
  end

  # Each collects before the next begins: they never hold more than two thirds of the limit together.
  test "children that take much in turns, and stay, go on" do
    work = fn ->
      work = self()
      children = for _ <- 1..4, do: spawn_link(fn -> take_turns(work) end)

      for _ <- 1..3, child <- children do
        send(child, :take)
        receive do: (:given_back -> :ok)
      end

      for child <- children, do: send(child, :stop)
      :done
    end

    for _ <- 1..10, do: assert(run(24 * @mib, work) == {:ok, :done})
  end

  defp take_turns(work) do
    receive do
      :take ->
        _ = tuple_size(:erlang.make_tuple(@words, 0))
        :erlang.garbage_collect()
        send(work, :given_back)
        take_turns(work)

      :stop ->
        :ok
    end
  end

  test "children are not ended by a limit that was taken off" do
    test = self()

    limited =
      spawn_link(fn ->
        :ok = Quota.put_limit(16 * @mib, count: [:children])
        children = for _ <- 1..3, do: spawn_link(fn -> receive do: (:go -> large(test)) end)
        # They are counted, and traced.
        Process.sleep(20)
        :ok = Quota.delete_limit()
        Enum.each(children, &send(&1, :go))
        Process.sleep(:infinity)
      end)

    for _ <- 1..3, do: assert_receive(:large)
    # A turn watcher has polled them.
    Process.sleep(50)
    assert Process.alive?(limited)
  end

  defp large(test) do
    tuple = :erlang.make_tuple(@words, 0)
    send(test, :large)
    Process.sleep(:infinity)
    tuple
  end

  test "they answer while their schedulers are offline" do
    assert run(@mib, fn -> :ok end) == {:ok, :ok}
    # As long as one has not run, it is bound.
    eventually(fn -> assert Enum.all?(watchers(), &waits?/1) end)
    online = :erlang.system_flag(:schedulers_online, 1)

    try do
      ask = fn -> Enum.map(Process.list(), &Process.info(&1, :current_stacktrace)) end
      assert {:ok, _} = Task.yield(Task.async(ask), 5_000)
    after
      :erlang.system_flag(:schedulers_online, online)
    end
  end

  defp watchers do
    assert starter = Process.whereis(TurnWatcher)
    {:links, watchers} = Process.info(starter, :links)
    assert length(watchers) == System.schedulers_online()
    watchers
  end

  defp waits?(pid), do: Process.info(pid, :status) == {:status, :waiting}

  @tag :tmp_dir
  test "schedulers that are offline have none until they are online", %{tmp_dir: tmp} do
    script = Path.join(tmp, "online.exs")

    File.write!(script, """
    count = fn ->
      Quota.run(1_000_000, fn -> :ok end, count: [:children])
      Process.sleep(100)
      {:links, links} = Process.info(Process.whereis(Quota.Watch.TurnWatcher), :links)
      length(links)
    end

    before = count.()
    :erlang.system_flag(:schedulers_online, 3)
    IO.write(inspect({before, count.(), count.()}))
    """)

    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    options = [env: [{"ELIXIR_ERL_OPTIONS", "+S 4:1"}]]
    assert {"{1, 3, 3}", 0} = System.cmd("elixir", paths ++ [script], options)
  end

  test "nothing is left of children that were polled: no account, and no bytes" do
    # Other tests may have left parsers that are not collected yet.
    {{_, _, _, before, _}, _, accounts} = Bounded.Native.node_usage()

    for _ <- 1..5 do
      work = fn -> at_once(20, div(@words, 10), self()) end
      assert {:ok, _} = run(256 * @mib, work)
    end

    nothing_more = fn ->
      {{_, _, _, bytes, _}, _, now} = Bounded.Native.node_usage()
      assert bytes <= before and now <= accounts
    end

    eventually(nothing_more)
  end

  test "killed watchers are started again by the next guard that counts children" do
    assert run(@mib, fn -> :ok end) == {:ok, :ok}
    eventually(fn -> assert is_pid(Process.whereis(TurnWatcher)) end)
    old = Process.whereis(TurnWatcher)
    Process.exit(old, :kill)

    eventually(fn ->
      assert {:ok, _} = run(@mib, fn -> Process.sleep(5) end)
      assert Process.whereis(TurnWatcher) not in [nil, old]
    end)
  end

  test "they are not traced where a process that is traced has started them" do
    nested = fn ->
      with pid when is_pid(pid) <- Process.whereis(TurnWatcher), do: Process.exit(pid, :kill)
      eventually(fn -> assert Process.whereis(TurnWatcher) == nil end)
      assert {:ok, :ok} = run(@mib, fn -> :ok end)
      eventually(fn -> assert is_pid(Process.whereis(TurnWatcher)) end)
    end

    assert {:ok, _} = run(8 * @mib, nested)

    eventually(fn ->
      pid = Process.whereis(TurnWatcher)
      {:links, watchers} = Process.info(pid, :links)
      assert watchers != []
      for watcher <- [pid | watchers], do: assert(Process.info(watcher, :trace) == {:trace, 0})
    end)
  end
end
