defmodule BoundedBinary.AccountTest do
  import Bitwise, only: [<<<: 2]
  use ExUnit.Case, async: true

  alias Bounded.Native
  import Bounded.Test.Accounts

  # What a charged binary takes besides its bytes.
  @overhead 256

  @tag :native_speed
  test "the account equals the sum of live binaries after any sequence of make, send, store, drop, kill" do
    for _ <- 1..30 do
      table = :ets.new(:store, [:public])
      account = Native.account_new(self(), 1_000_000_000, nil, nil)
      # Which process, and the table, holds which binaries: `{id, size}`.
      model =
        Enum.reduce(1..60, %{table => []}, fn id, model -> command(id, model, account, table) end)

      assert eventually(fn -> sum?(account, model) end),
             "#{reserved(account)} bytes charged, held: #{inspect(model)}"

      :ets.delete(table)
      for pid <- actors(model), do: kill(pid)
      assert_refunded(account)
    end
  end

  test "a charge outlives its maker in :persistent_term and in parts" do
    account = Native.account_new(self(), 10_000_000, nil, nil)
    maker = start(account)
    ask(maker, {:make, 1, 600_000})
    ask(maker, {:run, fn held -> :persistent_term.put(__MODULE__, held[1]) end})
    kill(maker)
    assert eventually(fn -> sum?(account, %{term: [{1, 600_000}]}) end)

    holder = start(account)

    ask(
      holder,
      {:run,
       fn _ -> Process.put(:part, binary_part(:persistent_term.get(__MODULE__), 5, 100)) end}
    )

    :persistent_term.erase(__MODULE__)
    assert sum?(account, %{part: [{1, 600_000}]})
    ask(holder, {:run, fn _ -> Process.delete(:part) end})
    ask(holder, :collect)
    # What was erased goes once the VM has looked at every process.
    assert_refunded(account, 20_000)
    kill(holder)
  end

  test "what outlives its quota is the node's orphan until it goes" do
    holder = spawn_link(fn -> receive do: (:stop -> :ok) end)
    before = orphaned()

    Quota.run(10_000_000, fn ->
      send(holder, BoundedBinary.copy(:rand.bytes(600_000)))
      :ok
    end)

    assert eventually(fn -> (orphaned() - before) in 600_000..(600_000 + @overhead) end)
    Process.unlink(holder)
    kill(holder)
    assert eventually(fn -> orphaned() == before end)
  end

  defp orphaned, do: Native.node_usage() |> elem(1)

  defp sum?(account, model) do
    live = model |> Map.values() |> Enum.concat() |> Enum.uniq()
    sum = live |> Enum.map(&elem(&1, 1)) |> Enum.sum()
    for(pid <- actors(model), do: ask(pid, :collect))
    reserved(account) in sum..(sum + @overhead * length(live))
  end

  defp actors(model), do: model |> Map.keys() |> Enum.filter(&is_pid/1)

  defp command(id, model, account, table) do
    case {:rand.uniform(8), actors(model)} do
      {1, pids} when length(pids) < 5 -> Map.put(model, start(account), [])
      {_, []} -> Map.put(model, start(account), [])
      {2, pids} -> drop_actor(model, Enum.random(pids))
      {n, pids} when n in [1, 3, 4, 5] -> make(model, Enum.random(pids), id)
      {6, pids} -> send_one(model, Enum.random(pids), Enum.random(pids))
      {7, pids} -> store(model, Enum.random(pids), table)
      {8, pids} -> drop(model, Enum.random(pids))
    end
  end

  defp drop_actor(model, pid) do
    kill(pid)
    Map.delete(model, pid)
  end

  defp make(model, pid, id) do
    size = 524_289 + :rand.uniform(400_000)
    ask(pid, {:make, id, size})
    Map.update!(model, pid, &[{id, size} | &1])
  end

  defp send_one(model, from, to) do
    with_one(model, from, fn {id, _} = one ->
      ask(from, {:run, fn held -> send(to, {:hold, id, held[id]}) end})
      Map.update!(model, to, &Enum.uniq([one | &1]))
    end)
  end

  defp store(model, from, table) do
    with_one(model, from, fn {id, _} = one ->
      ask(from, {:run, fn held -> :ets.insert(table, {id, held[id]}) end})
      Map.update!(model, table, &[one | &1])
    end)
  end

  defp drop(model, pid) do
    with_one(model, pid, fn {id, _} = one ->
      ask(pid, {:drop, id})
      Map.update!(model, pid, &List.delete(&1, one))
    end)
  end

  defp with_one(model, pid, fun) do
    case model[pid] do
      [] -> model
      held -> fun.(Enum.random(held))
    end
  end

  ## The processes that hold binaries

  defp start(account) do
    pid = spawn(fn -> loop(%{}) end)
    true = Native.account_attach(account, pid)
    pid
  end

  defp loop(held) do
    receive do
      {:hold, id, binary} ->
        loop(Map.put(held, id, binary))

      {from, {:make, id, size}} ->
        reply(from, Map.put(held, id, BoundedBinary.copy(:rand.bytes(size))))

      {from, {:drop, id}} ->
        reply(from, Map.delete(held, id))

      {from, {:run, fun}} ->
        reply(from, fun.(held) && held)

      {from, :collect} ->
        :erlang.garbage_collect() && reply(from, held)
    end
  end

  defp reply({pid, ref}, held) do
    send(pid, ref)
    loop(held)
  end

  defp ask(pid, command) do
    ref = make_ref()
    send(pid, {{self(), ref}, command})
    receive do: (^ref -> :ok)
  end

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
  end

  test "what the system does not have is not blamed on a limit" do
    for outside <- [true, false] do
      copy = fn -> BoundedBinary.copy("0123456789", 1 <<< 55) end

      error =
        if outside,
          do: assert_raise(Quota.ExceededError, copy),
          else: Quota.run(Quota.gib(8), fn -> assert_raise Quota.ExceededError, copy end)

      if outside do
        assert %{category: :system, limit: nil, requested: requested} = error
        assert requested >= 10 * (1 <<< 55)
        assert Exception.message(error) =~ "which the system does not have"
      else
        assert %{category: :native, limit: limit} = error
        assert limit == Quota.gib(8)
      end
    end

    # Within the limit, and more than there is.
    error =
      Quota.run(1 <<< 58, fn ->
        assert_raise Quota.ExceededError, fn -> BoundedBinary.copy("0123456789", 1 <<< 53) end
      end)

    assert %{category: :system, limit: limit} = error
    assert limit == 1 <<< 58
  end
end
