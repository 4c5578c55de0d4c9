defmodule Bench.Escapes.Rows.Settings do
  # Work that changes what it is limited by, and others who trace it.

  import Bench.Escapes.{Data, Row}

  @untold "up to OTP 26 a process has one tracer: where it is not ours, the VM's limit is 64 MiB higher, and the guard waits for the collection"
  @copies "each scheduler may be copying the heap of a child as the sum passes the limit; on OTP 25 also: " <>
            @untold

  def rows, do: flags() ++ sessions() ++ tracers()

  defp flags do
    [
      row("priority :max and a list", 2.0, fn ->
        Process.flag(:priority, :max)
        length(Enum.to_list(1..200_000_000))
      end),
      row("max_heap_size 0 and a list", 2.0, fn ->
        Process.flag(:max_heap_size, 0)
        length(Enum.to_list(1..100_000_000))
      end),
      row(
        "max_heap_size 0 and :binary.copy of 1 GB",
        15.5,
        [why: "the VM's flag is what refuses it otherwise; the work is stopped as it ends"],
        fn ->
          Process.flag(:max_heap_size, 0)
          byte_size(:binary.copy("x", opaque(1_000_000_000)))
        end
      ),
      row("max_heap_size 0 and 3000 binaries of 1 MB", 1.7, fn ->
        Process.flag(:max_heap_size, 0)
        length(megabytes(3_000))
      end),
      row("its own tracing switched off and a list", [{25, 3.4}, {27, 2.0}], [why: @untold], fn ->
        :erlang.trace(self(), false, [:all])
        length(Enum.to_list(1..100_000_000))
      end)
    ]
  end

  defp sessions do
    [
      row("all trace sessions destroyed and a list", 2.0, [since: 27], fn ->
        destroy_sessions()
        length(Enum.to_list(1..100_000_000))
      end),
      row(
        "all trace sessions destroyed and 6 counted children of 48 MB",
        2.0,
        [since: 27, options: [count: [:children]]],
        fn ->
          Process.sleep(20)
          destroy_sessions()

          for _ <- 1..6 do
            spawn(fn ->
              list = Enum.to_list(1..3_000_000)
              Process.sleep(700)
              length(list)
            end)
          end

          Process.sleep(500)
        end
      )
    ]
  end

  defp tracers do
    for {name, held, why, options, work} <- [
          {"a list", [{25, 3.2}, {27, 1.6}], @untold, [], fn -> list() end},
          {"1000 binaries of 1 MB", 1.6, nil, [], fn -> length(megabytes(1_000)) end},
          {"8 counted children with lists", [{25, 3.2}, {27, 1.8}], @copies, [count: [:children]],
           fn ->
             List.duplicate(&list/0, 8) |> Enum.map(&Task.async/1) |> Task.await_many(30_000)
           end}
        ] do
      row(
        "somebody else traces the work: #{name}",
        held,
        [prepare: &trace_new_processes/0, options: options, why: why],
        work
      )
    end
  end

  defp list, do: length(Enum.to_list(1..50_000_000))

  defp trace_new_processes do
    tracer = spawn(fn -> Stream.repeatedly(fn -> receive(do: (_ -> :ok)) end) |> Stream.run() end)
    :erlang.trace(:new_processes, true, [:procs, {:tracer, tracer}])
  end

  # As a clean-up after debugging does. The module is new in OTP 27, which `apply/3` keeps from the compiler.
  defp destroy_sessions do
    for session <- apply(:trace, :session_info, [:all]), session != {:legacy, :default} do
      try do
        apply(:trace, :session_destroy, [session])
      catch
        _, _ -> :ok
      end
    end
  end
end
