defmodule Bench.Escapes.Rows.Binaries do
  # Binaries: one made by a single call, many made in a loop, and what the VM builds outside the heap meanwhile.

  import Bench.Escapes.{Data, Row}

  @single "one allocation, which is not announced; the work is stopped as it ends"
  @yields "one allocation, which is not announced; from OTP 26 on the VM refuses it"
  @loop "few reductions for much memory, and never scheduled out: the VM ends it at its flag, 6 times the limit"
  @sized [{25, 13.2}, {26, 28.2}]
  @built "built beside the heap in one call, seen when it is done; BoundedBinary.split/3 and lines/2 are lazy"
  @compressed "what it is built from is gone when it returns; BoundedBinary.term_to_binary/2 asks first"
  @external "built beside the heap, from OTP 26 on twice; BoundedBinary.term_to_binary/2 asks first"

  def rows, do: single() ++ loops() ++ joined() ++ built() ++ files()

  defp single do
    [
      row("String.duplicate of 1 GB", [{25, 15.2}, {26, 1.1}], [why: @yields], fn ->
        byte_size(String.duplicate("x", 1_000_000_000))
      end),
      row(":binary.copy of 1 GB", [{25, 15.2}, {26, 1.1}], [why: @yields], fn ->
        byte_size(:binary.copy(<<0>>, 1_000_000_000))
      end),
      row("<<0::size(n)>> of 1 GB", 15.2, [why: @single], fn ->
        n = opaque(8_000_000_000)
        byte_size(<<0::size(n)>>)
      end),
      row(":crypto.strong_rand_bytes of 1 GB", 15.2, [why: @single], fn ->
        byte_size(:crypto.strong_rand_bytes(1_000_000_000))
      end),
      row("Base.encode64 of 45 MB", 1.5, fn ->
        byte_size(Base.encode64(:binary.copy("a", 45_000_000)))
      end)
    ]
  end

  # Few reductions for many bytes: the process is hardly ever scheduled out.
  defp loops do
    [
      row("1200 x :crypto.strong_rand_bytes of 1 MB", [{25, 15.0}, {26, 8.5}], [why: @loop], fn ->
        length(for _ <- 1..1_200, do: :crypto.strong_rand_bytes(1_000_000))
      end),
      row("3000 x :binary.copy of 1 MB", 1.5, fn -> length(megabytes(3_000)) end),
      row("3000 x :binary.copy of 1 MB at priority :max", 2.0, fn ->
        Process.flag(:priority, :max)
        length(megabytes(3_000))
      end),
      row(
        "3000 x :binary.copy of 1 MB at :max, two quotas at once",
        3.0,
        [why: "what both take", beside: fn _ -> Quota.try_run(Quota.mib(64), &at_max/0) end],
        &at_max/0
      ),
      row(
        "3000 x :binary.copy of 1 MB at :max beside a process that spins at :max",
        2.0,
        [],
        fn ->
          spawn(&spin_at_max/0)
          Process.sleep(5)
          at_max()
        end
      ),
      row("1000 binaries of 1 MB in the process dictionary", 1.5, fn ->
        for i <- 1..1_000, do: Process.put(i, megabyte())
        :ok
      end),
      row("3000 binaries of 1 MB in a process that limits itself", 1.5, [via: :put_limit], fn ->
        length(megabytes(3_000))
      end)
    ]
  end

  # As long as the work needs to fill a node, and no longer.
  defp spin_at_max do
    Process.flag(:priority, :max)
    Enum.sum(Stream.map(1..100_000_000, & &1))
  end

  defp at_max do
    Process.flag(:priority, :max)
    length(megabytes(3_000))
  end

  defp joined do
    [
      row(":erlang.iolist_to_binary of 1000 references to 1 MB", 1.1, fn ->
        byte_size(:erlang.iolist_to_binary(List.duplicate(megabyte(), 1_000)))
      end),
      row(":erlang.list_to_binary of 1000 references to 1 MB", 1.1, fn ->
        byte_size(:erlang.list_to_binary(List.duplicate(megabyte(), 1_000)))
      end),
      row(":erlang.iolist_to_binary of a shared iolist of 1 GB", 1.1, fn ->
        iolist = Enum.reduce(1..20, :binary.copy("a", 1_000), fn _, list -> [list, list] end)
        byte_size(:erlang.iolist_to_binary(iolist))
      end)
    ]
  end

  # Built outside the heap by the VM, and put into it when it is done.
  defp built do
    [
      row("String.split of 50 MB", @sized, [why: @built], fn ->
        length(String.split(:binary.copy("a ", 25_000_000), " "))
      end),
      row(":binary.split of 50 MB", @sized, [why: @built], fn ->
        length(:binary.split(:binary.copy("a ", 25_000_000), " ", [:global]))
      end),
      row(":binary.matches in 50 MB", @sized, [why: @built], fn ->
        length(:binary.matches(:binary.copy("a ", 25_000_000), " "))
      end),
      row(
        ":binary.replace of each byte of 10 MB by 100",
        [{25, 5.2}, {26, 11.2}],
        [why: @built],
        fn ->
          source = :binary.copy("a", 10_000_000)
          byte_size(:binary.replace(source, "a", String.duplicate("b", 100), [:global]))
        end
      ),
      row(":erlang.term_to_binary of a shared list of 128 million", 12.4, [why: @external], fn ->
        byte_size(:erlang.term_to_binary(shared(27)))
      end),
      row(
        ":erlang.term_to_binary of 1000 references to 1 MB",
        [{25, 15.2}, {26, 30.2}],
        [why: @external],
        fn ->
          byte_size(:erlang.term_to_binary(List.duplicate(megabyte(), 1_000)))
        end
      ),
      row(
        ":erlang.term_to_binary, compressed, of 1000 references",
        30.2,
        [why: @compressed, counted: false, ends: :either],
        fn ->
          byte_size(:erlang.term_to_binary(List.duplicate(megabyte(), 1_000), [:compressed]))
        end
      ),
      row(":erlang.term_to_iovec of 1000 references to 1 MB", 1.5, [ends: :either], fn ->
        length(:erlang.term_to_iovec(List.duplicate(megabyte(), 1_000)))
      end)
    ]
  end

  defp files do
    [
      row(
        "File.read of 1 GB",
        15.2,
        [
          why: "one allocation; BoundedBinary.read_file/2 asks before it takes the memory",
          prepare: fn -> zeros(1_000_000_000) end
        ],
        fn path ->
          byte_size(File.read!(path))
        end
      ),
      row(
        "File.stream! of one line of 300 MB",
        6.0,
        [
          why:
            "the line is collected before it is given; read by bytes: File.stream!(path, [], 65_536)",
          counted: false,
          ends: :either,
          options: [timeout: 15_000],
          prepare: fn -> zeros(300_000_000) end
        ],
        fn path ->
          path |> File.stream!() |> Enum.map(&byte_size/1)
        end
      )
    ]
  end
end
