defmodule Quota.Run.CapturesTest do
  use ExUnit.Case, async: true

  @limit Quota.mib(1)

  # 2^n copies once it has lost its sharing, and n cells here.
  defp doubled(0), do: [1]
  defp doubled(n), do: n |> Kernel.-(1) |> doubled() |> then(&[&1 | &1])

  # What is started sends its pid before anything else.
  defp refused(fun, opts) do
    test = self()

    work = fn ->
      send(test, :started)
      fun.()
    end

    assert {:error, %Quota.ExceededError{category: :captures} = error} =
             Quota.try_run(@limit, work, opts)

    assert error.limit == @limit
    assert Exception.message(error) =~ "nothing was started"
    refute_received :started
    assert Enum.all?(Quota.list(), &(&1.caller != test))
  end

  test "what the function captures is measured as it is copied" do
    shared = doubled(40)
    refused(fn -> is_list(shared) end, [])
    settings = Map.new(1..500, &{&1, {&1, &1}})
    rows = for id <- 1..200, do: %{id: id, settings: settings}
    refused(fn -> length(rows) end, [])
  end

  test "so is Logger metadata" do
    Logger.metadata(conn: doubled(40))
    refused(fn -> :ok end, [])
    Logger.reset_metadata()
  end

  test "so are inherited keys" do
    Process.put(:big, doubled(40))
    refused(fn -> :ok end, inherit: [:big])
    assert Quota.run(@limit, fn -> :ok end, inherit: [:small]) == :ok
  end

  test "so is the label, and the bytes of binaries in it" do
    for label <- [doubled(40), {:file, :binary.copy("x", 64 * 1024)}] do
      assert {:error, %{category: :captures, limit: 65_536}} =
               Quota.try_run(@limit, fn -> :ok end, label: label)
    end

    label = {:file, :binary.copy("x", 60 * 1024)}
    assert Quota.run(@limit, fn -> :ok end, label: label) == :ok

    assert_raise Quota.ExceededError, ~r/captures/, fn ->
      Quota.put_limit(@limit, label: doubled(40))
    end

    assert Quota.usage() == nil
  end

  test "a pool reserves nothing for work that is not started" do
    {:ok, _} = Quota.Pool.start_link(name: Quota.Run.CapturesTest.Pool, size: Quota.mib(8))
    shared = doubled(40)
    refused(fn -> is_list(shared) end, pool: Quota.Run.CapturesTest.Pool)
    assert %{reserved: 0, admitted: 0} = Quota.Pool.info(Quota.Run.CapturesTest.Pool)
  end

  test "only observed, it is started" do
    list = doubled(17)

    assert Quota.run(@limit, fn -> length(list) end, mode: :observe) == 18
  end

  # The walk goes as far as a quarter of the node's memory.
  @tag :slow
  test "what would end the node is refused even then" do
    shared = doubled(60)

    assert {:error, %{category: :captures}} =
             Quota.try_run(@limit, fn -> is_list(shared) end, mode: :observe)
  end

  test "what fits passes: lists, maps, structs, functions, and binaries of any size" do
    list = Enum.to_list(1..30_000)
    map = Map.new(1..2_000, &{&1, "value #{&1}"})
    binary = :binary.copy("x", 8 * @limit)
    inner = fn -> {length(list), map_size(map)} end
    date = ~D[2026-01-01]

    assert Quota.run(4 * @limit, fn -> {inner.(), byte_size(binary), date.year} end,
             shared_binaries: false
           ) == {{30_000, 2_000}, 8 * @limit, 2026}

    assert Quota.run(@limit, &__MODULE__.external/0) == :external
  end

  def external, do: :external

  test "in a quota it is measured against what that has left" do
    list = Enum.to_list(1..100_000)

    assert {:captures, left} =
             Quota.run(Quota.mib(4), fn ->
               {:error, error} = Quota.try_run(Quota.mib(8), fn -> length(list) end)
               {error.category, error.limit}
             end)

    assert left < Quota.mib(4)
  end

  test "a key to inherit may have any value" do
    for value <- [false, nil, []] do
      Process.put(:captures_test, value)
      work = fn -> Process.get(:captures_test, :absent) end
      assert Quota.run(Quota.mib(1), work, inherit: [:captures_test]) == value
    end

    work = fn -> Process.get(:captures_test_absent, :absent) end
    assert Quota.run(Quota.mib(1), work, inherit: [:captures_test_absent]) == :absent
  end

  test "a quota that has too little left for one inside it says so" do
    work = fn -> Quota.run(Quota.kib(128), fn -> :done end) end
    {:error, error} = Quota.try_run(Quota.kib(128), work, label: "outer")
    assert %{category: :native, requested: 131_072, label: "outer"} = error

    assert Exception.message(error) =~
             "too little of its limit of 128 KiB left for a quota inside it"

    assert Exception.message(error) =~ "needs at least 64 KiB"
  end

  test "the exit of a killed measurement names the call" do
    work = fn -> Process.exit(self(), :kill) end
    assert {:killed, {Quota, :measure, [^work]}} = catch_exit(Quota.measure(work))
    assert catch_exit(Quota.measure(fn -> exit(:own) end)) == :own
  end
end
