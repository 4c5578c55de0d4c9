defmodule Quota.TelemetryTest do
  # The stand-in for :telemetry is a module of the whole VM.
  use ExUnit.Case, async: false

  @compile {:no_warn_undefined, :telemetry}

  @mib 1024 * 1024

  # What the library does with handlers, as far as these events need it.
  @stand_in """
  defmodule :telemetry do
    def attach_many(id, events, handler, config) do
      handlers = :persistent_term.get(__MODULE__, %{})
      if Map.has_key?(handlers, id) do
        {:error, :already_exists}
      else
        :persistent_term.put(__MODULE__, Map.put(handlers, id, {events, handler, config}))
      end
    end

    def detach(id),
      do: :persistent_term.put(__MODULE__, Map.delete(:persistent_term.get(__MODULE__, %{}), id))

    def execute(event, measurements, metadata) do
      for {_, {events, handler, config}} <- :persistent_term.get(__MODULE__, %{}), event in events do
        handler.(event, measurements, metadata, config)
      end

      :ok
    end
  end
  """

  setup do
    unless Code.ensure_loaded?(:telemetry) do
      Code.compile_string(@stand_in)

      on_exit(fn ->
        :code.purge(:telemetry)
        :code.delete(:telemetry)
      end)
    end

    # The library, where it is installed, keeps its handlers in a table of its own.
    if Application.load(:telemetry) in [:ok, {:error, {:already_loaded, :telemetry}}],
      do: {:ok, _} = Application.ensure_all_started(:telemetry)

    events = [
      [:bounded, :quota, :run, :start],
      [:bounded, :quota, :run, :stop],
      [:bounded, :quota, :run, :exception],
      [:bounded, :quota, :soft_limit],
      [:bounded, :quota, :breach]
    ]

    :ok = :telemetry.attach_many(__MODULE__, events, &__MODULE__.forward/4, self())

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

    assert_receive {:DOWN, ^ref, _, _, :killed}, 5_000

    assert_receive {:breach, _, %{pid: ^pid, label: "three", category: :heap, enforced: true}},
                   5_000
  end

  test "what is only observed is reported once and goes on" do
    worker = worker()
    task = Task.async(fn -> Quota.run(@mib, worker, mode: :observe, label: "four") end)
    assert_receive {:worker, pid}, 5_000
    assert_receive {:breach, _, %{enforced: false, label: "four", pid: ^pid}}, 5_000
    send(pid, :go)
    assert Task.await(task) == 200_000
    refute_received {:breach, _, _}
  end

  test "the soft limit is an event, once on the way up" do
    worker = worker()
    task = Task.async(fn -> Quota.run(64 * @mib, worker, soft_limit: @mib, label: "five") end)
    assert_receive {:worker, pid}, 5_000
    assert_receive {:soft_limit, %{total: total}, %{label: "five", pid: ^pid}}, 5_000
    assert total > @mib
    send(pid, :go)
    assert Task.await(task) == 200_000
    refute_received {:soft_limit, _, _}
  end
end
