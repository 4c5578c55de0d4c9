defmodule Bench.Innocent.Kinds.Machine do
  # What else goes on: priorities, tracers, limits of others, load, many quotas at once.

  import Bench.Innocent.{Kind, Work}

  @large 64 * 1_048_576

  def kinds, do: settings() ++ load() ++ crowds()

  defp settings do
    [
      kind("at priority :max, binaries dropped", fn ->
        Process.flag(:priority, :max)
        for _ <- 1..200, do: drop(:binary.copy(<<1>>, 1_000_000))
      end),
      kind("at priority :low, 40 references and a file", fn ->
        Process.flag(:priority, :low)
        references_and_file()
      end),
      kind(
        "traced by somebody else: 40 references and a file",
        [setup: fn -> trace_new_processes() end],
        fn _ -> references_and_file() end
      ),
      kind(
        "traced by somebody else: a list of 16 MB",
        [limit: @large, setup: fn -> trace_new_processes() end],
        fn _ -> length(Enum.to_list(1..1_000_000)) end
      ),
      kind(
        "traced by somebody's session: a list of 16 MB",
        [limit: @large, setup: fn -> trace_in_a_session() end, since: 27],
        fn _ -> length(Enum.to_list(1..1_000_000)) end
      ),
      kind(
        "a system-wide max_heap_size of 16 MB, less than the work holds",
        [limit: 4 * @large, setup: fn -> system_limit() end],
        fn binary -> byte_size(binary) + length(Enum.to_list(1..100_000)) end
      )
    ]
  end

  defp load do
    [
      kind(
        "a load of 8: 40 references and a file",
        [setup: fn -> spin(8) end],
        fn _ ->
          references_and_file()
        end
      ),
      kind(
        "a load of 8: 15 MB of list and binaries of 10 MB dropped",
        [limit: @large, setup: fn -> spin(8) end],
        fn _ ->
          list = Enum.to_list(1..900_000)
          for _ <- 1..20, do: drop(:binary.copy(<<1>>, 10_000_000))
          length(list)
        end
      ),
      kind(
        "a load of 8 inside the VM: a list of 16 MB",
        [limit: @large, setup: fn -> Enum.each(1..8, fn _ -> spawn(&busy/0) end) end],
        fn _ -> length(Enum.to_list(1..1_000_000)) end
      )
    ]
  end

  defp crowds do
    [
      kind(
        "10,000 quotas at once, 16 KB each of 256 KiB",
        [limit: 262_144, runs: 1, via: {:at_once, 10_000}],
        fn -> Enum.to_list(1..1_000) end
      ),
      kind(
        "100 quotas at once, 4 MB each of 16 MiB",
        [runs: 2, via: {:at_once, 100}],
        fn ->
          Enum.to_list(1..250_000)
        end
      ),
      kind(
        "100 quotas at once that count children",
        [
          options: [count: [:children]],
          runs: 2,
          via: {:at_once, 100}
        ],
        fn -> for i <- 1..5, do: Task.await(Task.async(fn -> i end)) end
      )
    ]
  end

  defp trace_new_processes do
    :erlang.trace(:new_processes, true, [:procs, {:tracer, tracer()}])
  end

  defp trace_in_a_session do
    session = apply(:trace, :session_create, [:somebody, tracer(), []])
    apply(:trace, :process, [session, :new_processes, true, [:procs, :send]])
    # It ends with the last reference to it.
    spawn(fn -> receive(do: ({:never, ^session} -> :ok)) end)
  end

  defp tracer do
    spawn(fn -> Stream.repeatedly(fn -> receive(do: (_ -> :ok)) end) |> Stream.run() end)
  end

  # As `+hmax N +hmaxib true` does. The binary is captured, so it is there before the worker's first instruction.
  defp system_limit do
    binary = :binary.copy("x", 30_000_000)
    Process.flag(:max_heap_size, 0)
    limit = %{size: 2_000_000, kill: true, error_logger: false}
    shared = %{include_shared_binaries: true}
    release = String.to_integer(System.otp_release())

    :erlang.system_flag(
      :max_heap_size,
      if(release >= 26, do: Map.merge(limit, shared), else: limit)
    )

    binary
  end

  # Programs that end by themselves, should this VM not live to see their end.
  defp spin(count) do
    for _ <- 1..count do
      Port.open({:spawn_executable, "/usr/bin/timeout"},
        args: [
          "300",
          "sh",
          "-c",
          "while kill -0 #{System.pid()}; do for i in 1 2 3 4 5 6 7 8 9; do :; done; done"
        ]
      )
    end

    nil
  end

  defp busy do
    Enum.sum(1..100_000)
    busy()
  end
end
