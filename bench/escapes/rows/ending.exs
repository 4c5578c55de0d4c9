defmodule Bench.Escapes.Rows.Ending do
  # Work that is over its limit and ends before anyone has looked at it, and results.

  import Bench.Escapes.{Data, Row}

  @single "one allocation, which is not announced; the work is stopped as it ends"
  @limit 32 * 1024 * 1024

  def rows, do: early() ++ results()

  defp early do
    [
      row(
        "ends at once: File.read! of 300 MB",
        10.0,
        [why: @single, limit: @limit, prepare: fn -> zeros(300_000_000) end],
        fn path -> byte_size(File.read!(path)) end
      ),
      row("ends at once: String.duplicate of 300 MB", 10.0, [why: @single, limit: @limit], fn ->
        byte_size(String.duplicate("a", opaque(300_000_000)))
      end),
      row(
        "ends at once: :crypto.strong_rand_bytes of 300 MB",
        10.0,
        [why: @single, limit: @limit],
        fn ->
          byte_size(:crypto.strong_rand_bytes(300_000_000))
        end
      ),
      row(
        "ends at once: :erlang.term_to_binary of 300 references",
        [{25, 10.0}, {26, 18.4}],
        [
          why:
            "the VM builds it beside the heap, from OTP 26 on twice; the work is stopped as it ends",
          limit: @limit
        ],
        fn ->
          byte_size(:erlang.term_to_binary(List.duplicate(megabyte(), 300)))
        end
      ),
      row("ends at once: <<0::size(n)>> of 300 MB", 10.0, [why: @single, limit: @limit], fn ->
        n = opaque(2_400_000_000)
        byte_size(<<0::size(n)>>)
      end),
      row("ends at once: 40 binaries of 1 MB", 1.3, [limit: @limit], fn ->
        megabytes(40)
      end)
    ]
  end

  defp results do
    [
      row(
        "result: a binary of 300 MB",
        10.0,
        [why: @single, limit: @limit, prepare: fn -> zeros(300_000_000) end],
        fn path -> File.read!(path) end
      ),
      row("result: a list of 16 million, shared", 0.5, fn -> shared(24) end),
      row("result: an exception with a list of 16 million, shared", 0.5, fn ->
        raise ArgumentError, message: shared(24)
      end),
      row(
        "result: records of OTP 29, 2^40 when their sharing is lost",
        0.5,
        [since: 29, prepare: &native_records/0, options: [timeout: 1_000]],
        fn module -> module.shared(40) end
      )
    ]
  end

  @native_records ~c"""
  -module(bounded_bench_records).
  -export([shared/1]).
  -record #pair{a, b}.
  shared(0) -> #pair{a=1, b=2};
  shared(N) -> X = shared(N - 1), #pair{a=X, b=X}.
  """

  defp native_records do
    File.write!("bounded_bench_records.erl", @native_records)
    {:ok, module, code} = :compile.file(~c"bounded_bench_records.erl", [:binary])
    {:module, module} = :code.load_binary(module, ~c"bounded_bench_records.erl", code)
    module
  end
end
