defmodule Quota.Pool.AdmissionTest do
  use Quota.PoolCase, async: false

  alias Bounded.Test.{Faults, Peer}

  describe "admission" do
    test "charges the limit and what it may be passed by, and gives it back" do
      %{name: name} = start()
      assert %{size: size, free: size, reserved: 0} = Pool.info(name)
      {_, worker} = holding(name)
      assert %{reserved: @charge, running: 1, admitted: 1, peak: @charge} = Pool.info(name)
      send(worker, :end)
      assert_receive {:ended, _, {:ok, :done}}
      empty(name)
      assert %{peak: @charge, admitted: 1, refused: 0} = Pool.info(name)
    end

    test "however the work dies" do
      %{name: name} = start()

      for death <- [
            fn -> raise "boom" end,
            fn -> throw(:ball) end,
            fn -> exit(:enough) end,
            fn -> Process.exit(self(), :kill) end,
            fn -> Enum.to_list(1..10_000_000) end
          ] do
        try do
          Quota.run(@limit, death, pool: name)
        rescue
          _ -> :ok
        catch
          _, _ -> :ok
        end

        empty(name)
      end

      assert {:error, %Quota.TimeoutError{}} =
               Quota.try_run(@limit, fn -> Process.sleep(:infinity) end, pool: name, timeout: 1)

      empty(name)
      {caller, _worker} = holding(name)
      kill(caller)
      empty(name)
      assert Pool.info(name).admitted == 7
    end

    test "when no process can be started" do
      peer = Peer.start(["+P", "1024"])
      {outcome, info} = Peer.call(peer, Faults, :run_without_processes, [])
      assert outcome == SystemLimitError
      assert %{reserved: 0, running: 0, admitted: 1} = info
    end

    test "bytes that outlive the work stay in use until they are gone" do
      %{name: name} = start()
      keeper = keep(name, @limit)

      eventually(fn ->
        assert %{running: 0, orphaned: bytes, reserved: bytes} = Pool.info(name)
        assert bytes >= 1_000_000 and bytes < 1_001_000
      end)

      kill(keeper)
      empty(name)
    end

    test "work nested in admitted work reserves nothing more" do
      %{name: name} = start()

      inner = fn -> Quota.run(Quota.mib(1), fn -> Pool.info(name).reserved end, pool: name) end
      assert Quota.run(@limit, inner, pool: name) == @charge
      empty(name)
    end

    test "says who holds what" do
      %{name: name} = start()
      holding(name, @limit, label: "import")
      holding(name, @limit, label: {:job, 7})
      holding(name, @limit, label: {:job, 7})
      holding(name, Quota.kib(64))

      assert Pool.info(name).by_label == [
               %{label: {:job, 7}, reserved: 2 * @charge, running: 2},
               %{label: "import", reserved: @charge, running: 1},
               %{label: nil, reserved: charge(Quota.kib(64)), running: 1}
             ]
    end
  end

  describe "put_limit/2" do
    # A process with a limit for its life, or the error that it was refused with.
    defp limited(name, limit) do
      test = self()

      pid =
        spawn(fn ->
          result =
            try do
              Quota.put_limit(limit, pool: name, label: :server)
            rescue
              error -> error
            end

          send(test, {:limited, self(), result})

          receive do: (:delete -> send(test, {:deleted, self(), Quota.delete_limit()}))
          receive do: (:end -> :ok)
        end)

      assert_receive {:limited, ^pid, result}
      {pid, result}
    end

    test "reserves for the life of the process" do
      %{name: name} = start()
      {pid, :ok} = limited(name, @limit)
      assert [%{label: :server, reserved: @charge, running: 1}] = Pool.info(name).by_label
      kill(pid)
      empty(name)
    end

    test "or until the limit is deleted" do
      %{name: name} = start()
      {pid, :ok} = limited(name, @limit)
      send(pid, :delete)
      assert_receive {:deleted, ^pid, :ok}
      assert %{reserved: 0, running: 0} = Pool.info(name)
      send(pid, :end)
    end

    test "is refused when the pool is full" do
      %{name: name} = start()
      {pid, :ok} = limited(name, 4 * @limit)
      {other, %PoolFullError{reason: :full, label: :server}} = limited(name, @limit)
      for pid <- [pid, other], do: kill(pid)
      empty(name)
    end
  end
end
