defmodule Quota.PressureTest do
  # The stand-in for :telemetry is a module of the whole VM.
  use ExUnit.Case, async: false

  import Bounded.Eventually
  import Bounded.Test.FakeGroup, only: [put: 3]

  alias Bounded.Cgroup
  alias Bounded.Test.{FakeGroup, Telemetry}
  alias Quota.{Pool, PoolFullError, Pressure}

  doctest Pressure

  @limit 100_000_000

  # A small machine with one version 2 control group, whose files the tests rewrite.
  setup context do
    root = FakeGroup.create(@limit)
    usage(root, 50)
    stall(root, 0.0, 0.0)
    events(root, 0, 0)
    if context[:telemetry], do: Telemetry.forward(self())
    {:ok, root: root, shared: root |> Cgroup.find() |> Pressure.new()}
  end

  # `percent` of the limit in use, and as much again in file cache.
  defp usage(root, percent) do
    cache = 10_000_000
    put(root, "cg/memory.current", "#{percent * div(@limit, 100) + cache}\n")
    put(root, "cg/memory.stat", "inactive_file #{cache}\n")
  end

  defp stall(root, some, full) do
    put(root, "cg/memory.pressure", """
    some avg10=#{some} avg60=0.00 avg300=0.00 total=0
    full avg10=#{full} avg60=0.00 avg300=0.00 total=0
    """)
  end

  defp events(root, high, kills) do
    put(root, "cg/memory.events", "low 0\nhigh #{high}\nmax 9\noom 0\noom_kill #{kills}\n")
  end

  test "rises and falls with memory in use, each level left later than it was entered", context do
    for {percent, level} <- [
          {84, :normal},
          {85, :high},
          {80, :high},
          {79, :normal},
          {95, :critical},
          {90, :critical},
          {89, :high},
          {94, :high},
          {50, :normal}
        ] do
      usage(context.root, percent)
      assert {percent, Pressure.look(context.shared)} == {percent, level}
    end
  end

  test "rises when work waits for memory", context do
    for {some, full, level} <- [
          {19.9, 0.0, :normal},
          {20.0, 0.0, :high},
          {99.0, 19.9, :high},
          {99.0, 20.0, :critical},
          {10.0, 10.0, :critical},
          {10.0, 9.9, :high},
          {9.9, 0.0, :normal}
        ] do
      stall(context.root, some, full)
      assert {some, full, Pressure.look(context.shared)} == {some, full, level}
    end
  end

  test "the kernel's killing and throttling count once", context do
    events(context.root, 3, 0)
    assert Pressure.look(context.shared) == :high
    assert Pressure.look(context.shared) == :normal
    events(context.root, 3, 1)
    assert Pressure.look(context.shared) == :critical
    assert Pressure.look(context.shared) == :normal
  end

  test "what happened before it began to look does not count", context do
    events(context.root, 7, 7)
    assert context.root |> Cgroup.find() |> Pressure.new() |> Pressure.look() == :normal
  end

  test "looks no more than twice a second", context do
    assert Pressure.level(context.shared) == :normal
    usage(context.root, 99)
    assert Pressure.level(context.shared) == :normal
    assert Pressure.look(context.shared) == :critical
    assert Pressure.level(context.shared) == :critical
  end

  test "a group that may have nothing has nothing left", context do
    put(context.root, "cg/memory.max", "0\n")
    shared = context.root |> Cgroup.find() |> Pressure.new()
    assert Pressure.look(shared) == :critical

    assert %{level: :critical, used: 1.0} =
             context.root |> Cgroup.find() |> Bounded.Facts.Pressure.measure(:normal)
  end

  test "sees nothing, is normal and says so" do
    shared = Pressure.new(Cgroup.find("there is no such directory"))
    assert Pressure.look(shared) == :normal
  end

  test "info/0 has the figures" do
    info = Pressure.info()
    assert info.level in [:normal, :high, :critical]

    if File.exists?("/proc/meminfo") do
      assert info.source in [:cgroup_v1, :cgroup_v2, :machine]
      assert info.used > 0 and info.used <= 1.0
    end
  end

  @tag :capture_log
  test "a pool admits nothing from critical on, until it has fallen", context do
    key = Pressure
    before = :persistent_term.get(key, nil)

    on_exit(fn ->
      if before, do: :persistent_term.put(key, before), else: :persistent_term.erase(key)
    end)

    :persistent_term.put(key, context.shared)
    start_supervised!({Pool, name: :pressed, size: Quota.mib(16)})
    run = &Quota.try_run(Quota.mib(1), fn -> :done end, pool: :pressed, pool_timeout: &1)
    assert run.(0) == {:ok, :done}

    usage(context.root, 96)
    eventually(fn -> assert %{paused: true} = Pool.info(:pressed) end)
    assert {:error, %PoolFullError{reason: :paused}} = run.(0)

    # Below where it began, and not yet where it ends.
    usage(context.root, 91)
    assert Pressure.look(context.shared) == :critical
    assert {:error, %PoolFullError{reason: :timeout}} = run.(600)

    usage(context.root, 89)
    assert run.(5_000) == {:ok, :done}
  end

  @tag :native_speed
  test "costs nothing measurable: two looks a second take less than half a percent of one core" do
    shared = Pressure.new(Cgroup.find())

    runtime = fn ->
      before = :erlang.statistics(:runtime) |> elem(0)
      for _ <- 1..100, do: Pressure.look(shared)
      elem(:erlang.statistics(:runtime), 0) - before
    end

    # The least of some: whatever else the machine does only adds to it.
    least = Enum.min(for _ <- 1..3, do: runtime.())
    IO.puts("a look at the node's pressure took #{least * 10} us of CPU time")
    # Of the 50 s in which there are so many.
    assert least < 250
  end

  @tag :telemetry
  test "sends an event when the level changes, and only then", context do
    Pressure.look(context.shared)
    refute_received {[:bounded, :pressure], _, _}
    usage(context.root, 96)
    Pressure.look(context.shared)
    assert_received {[:bounded, :pressure], measurements, metadata}
    assert %{usage: 96_000_000, limit: @limit} = measurements
    assert measurements.some == 0.0 and measurements.full == 0.0
    assert_in_delta measurements.used, 0.96, 0.001
    assert metadata == %{level: :critical, previous: :normal, source: :cgroup_v2}
    Pressure.look(context.shared)
    refute_received {[:bounded, :pressure], _, _}
  end
end
