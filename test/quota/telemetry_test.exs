defmodule Quota.TelemetryTest do
  # The stand-in for :telemetry is a module of the whole VM.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  @compile {:no_warn_undefined, :telemetry}

  @mib 1024 * 1024

  doctest Quota.Telemetry

  setup do
    Bounded.Test.Telemetry.start()

    :ok =
      :telemetry.attach_many(
        __MODULE__,
        Quota.Telemetry.events(),
        &__MODULE__.forward/4,
        self()
      )

    on_exit(fn -> :telemetry.detach(__MODULE__) end)
  end

  def forward(event, measurements, metadata, test),
    do: send(test, {List.last(event), measurements, metadata})

  defp grow(list), do: grow([list | list])

  # Work over 1 MiB that waits until it is told to go on.
  defp worker do
    test = self()

    fn ->
      kept = Enum.to_list(1..200_000)
      send(test, {:worker, self()})

      receive do
        :go -> length(kept)
      end
    end
  end

  test "a run starts and stops" do
    assert Quota.run(@mib, fn -> :done end, label: "one") == :done
    caller = self()
    assert_received {:start, %{system_time: _}, %{label: "one", limit: @mib, caller: ^caller}}
    assert_received {:stop, %{duration: duration, peak: _, native: 0}, %{label: "one"}}
    assert duration > 0
  end

  test "a breach is an event, and an exception of the run" do
    {:error, error} = Quota.try_run(@mib, fn -> grow([]) end, label: "two")
    assert_received {:breach, measurements, %{category: :heap, enforced: true, label: "two"}}
    assert measurements.total == error.usage.total

    assert_received {:exception, %{duration: _},
                     %{kind: :error, reason: ^error, stacktrace: [_ | _]}}
  end

  test "a breach of put_limit/2 names the process" do
    {pid, ref} =
      spawn_monitor(fn ->
        Quota.put_limit(@mib, label: "three")
        grow([])
      end)

    assert_receive {:DOWN, ^ref, _, _, :killed}

    assert_receive {:breach, _, %{pid: ^pid, label: "three", category: :heap, enforced: true}},
                   5_000
  end

  test "what is only observed is reported once and goes on" do
    worker = worker()
    task = Task.async(fn -> Quota.run(@mib, worker, mode: :observe, label: "four") end)
    assert_receive {:worker, pid}
    assert_receive {:breach, _, %{enforced: false, label: "four", pid: ^pid}}
    send(pid, :go)
    assert Task.await(task) == 200_000
    refute_received {:breach, _, _}
  end

  test "the soft limit is an event, once on the way up" do
    worker = worker()
    task = Task.async(fn -> Quota.run(64 * @mib, worker, soft_limit: @mib, label: "five") end)
    assert_receive {:worker, pid}
    assert_receive {:soft_limit, %{total: total}, %{label: "five", pid: ^pid}}
    assert total > @mib
    send(pid, :go)
    assert Task.await(task) == 200_000
    refute_received {:soft_limit, _, _}
  end

  test "the events of a run belong together, and name its pool" do
    assert Quota.run(@mib, fn -> :done end) == :done
    assert_received {:start, _, %{telemetry_span_context: context, pool: nil}}
    assert_received {:stop, _, %{telemetry_span_context: ^context, pool: nil}}
    refute_received {:admitted, _, _}
  end

  # Work that takes next to nothing, and waits until it is told to go on.
  defp idle do
    test = self()

    fn ->
      send(test, {:worker, self()})

      receive do
        :go -> :done
      end
    end
  end

  describe "a pool" do
    @describetag :capture_log
    @pool __MODULE__.Pool

    setup do
      start_supervised!({Quota.Pool, name: @pool, size: 24 * @mib})
      :ok
    end

    test "admits, and says so" do
      Quota.run(@mib, fn -> :done end, pool: @pool, label: "six")
      assert_received {:admitted, %{wait: 0, charged: charged}, metadata}
      assert metadata == %{pool: @pool, label: "six", limit: @mib}
      assert charged > @mib
      assert_received {:stop, _, %{pool: @pool}}
    end

    test "refuses, and nothing else is sent" do
      worker = idle()
      holder = Task.async(fn -> Quota.run(10 * @mib, worker, pool: @pool) end)
      assert_receive {:worker, pid}
      assert_receive {:start, _, _}
      options = [pool: @pool, label: "seven"]
      assert {:error, %Quota.PoolFullError{}} = Quota.try_run(@mib * 8, fn -> :done end, options)
      assert_received {:refused, %{wait: 0, charged: _}, %{reason: :full, label: "seven"}}
      refute_received {:start, _, _}

      # One that waits in vain.
      options = [pool: @pool, pool_timeout: 20]
      assert {:error, %Quota.PoolFullError{}} = Quota.try_run(@mib * 8, fn -> :done end, options)
      assert_received {:queued, %{charged: _}, %{pool: @pool}}
      assert_received {:refused, %{wait: wait}, %{reason: :timeout}}
      assert System.convert_time_unit(wait, :native, :millisecond) >= 20
      send(pid, :go)
      Task.await(holder)
      # The next test's pool has the same name: it would keep a place for one that waits.
      eventually(fn -> assert Quota.Pool.info(@pool).waiting == 0 end)
    end

    test "what was waited for is no part of the duration" do
      worker = idle()
      holder = Task.async(fn -> Quota.run(10 * @mib, worker, pool: @pool) end)
      assert_receive {:worker, pid}
      options = [pool: @pool, pool_timeout: 5_000, label: "eight"]
      waiting = Task.async(fn -> Quota.run(@mib * 8, fn -> :done end, options) end)
      assert_receive {:queued, _, %{label: "eight"}}
      # Longer than a run that does nothing takes.
      refute_receive {:admitted, _, %{label: "eight"}}, 100
      send(pid, :go)
      assert Task.await(waiting) == :done
      Task.await(holder)
      assert_received {:admitted, %{wait: wait}, %{label: "eight"}}
      assert_received {:stop, %{duration: duration}, %{label: "eight"}}
      assert System.convert_time_unit(wait, :native, :millisecond) >= 100
      assert duration < wait
    end

    test "is measured, with what is active" do
      worker = idle()
      holder = Task.async(fn -> Quota.run(8 * @mib, worker, pool: @pool) end)
      assert_receive {:worker, pid}
      [{module, function, args}] = Quota.Telemetry.measurements()
      assert apply(module, function, args) == :ok
      # Those of other tests may not have ended yet.
      assert_received {:active, %{count: count, limit: limit, total: total}, %{}}
      assert {count >= 1, limit >= 8 * @mib, total >= 0} == {true, true, true}
      assert_received {:state, figures, %{pool: @pool}}
      assert %{size: 25_165_824, running: 1, waiting: 0, orphaned: 0} = figures
      assert figures.reserved + figures.free == figures.size
      send(pid, :go)
      Task.await(holder)
    end
  end

  test "nothing is sent while the application of the library is not running" do
    unless Process.whereis(:telemetry_sup) do
      stop_supervised!(Agent)
      refute Quota.Telemetry.enabled?()
      assert Quota.run(@mib, fn -> :done end) == :done
      assert Quota.Telemetry.measure() == :ok
      refute_received {:start, _, _}
    end
  end

  # As much of the library as makes a metric.
  @metrics """
  defmodule Telemetry.Metrics do
    for kind <- [:counter, :summary, :last_value] do
      def unquote(kind)(name, options) do
        {event, [measurement]} = name |> String.split(".") |> Enum.map(&String.to_atom/1) |> Enum.split(-1)
        %{name: event ++ [measurement], event_name: event, tags: options[:tags], kind: unquote(kind)}
      end
    end
  end
  """

  test "metrics are of events that are sent, and of their measurements" do
    unless Code.ensure_loaded?(Telemetry.Metrics) do
      assert_raise RuntimeError, ~r/needs the library :telemetry_metrics/, fn ->
        Quota.Telemetry.metrics()
      end

      Code.compile_string(@metrics)

      on_exit(fn ->
        :code.purge(Telemetry.Metrics)
        :code.delete(Telemetry.Metrics)
      end)
    end

    metrics = Quota.Telemetry.metrics()
    assert length(metrics) > 10
    for metric <- metrics, do: assert(metric.event_name in Quota.Telemetry.events())
    Quota.run(@mib, fn -> :done end)
    assert_received {:stop, measurements, metadata}

    for %{event_name: [_, _, :run, :stop]} = metric <- metrics do
      assert is_map_key(measurements, List.last(metric.name)) or List.last(metric.name) == :count
      for tag <- metric.tags, do: assert(is_map_key(metadata, tag))
    end
  end
end
