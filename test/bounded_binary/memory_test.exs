defmodule BoundedBinary.MemoryTest do
  # Measures the node's memory.
  use ExUnit.Case, async: false

  import Bounded.Test.Accounts

  @mib 1024 * 1024

  @tag :native_speed
  test "10,000 fields of 10,000 bodies of 1 MB keep less than 4 MB" do
    megabyte = :rand.bytes(1_000_000)
    :erlang.garbage_collect()
    before = :erlang.memory(:binary)

    fields =
      for n <- 1..10_000 do
        megabyte |> :binary.copy() |> BoundedBinary.slice(n * 10, 100)
      end

    :erlang.garbage_collect()
    assert eventually(fn -> :erlang.memory(:binary) - before < 4_000_000 end)
    assert length(fields) == 10_000
  end

  test "charged binaries take a tenth and 64 KiB more than they are charged for at most" do
    for sizes <- [List.duplicate(524_289, 100), Enum.to_list(530_000..2_000_000//93_000)] do
      body = :rand.bytes(Enum.max(sizes))

      in_account(200 * @mib, fn account ->
        :erlang.garbage_collect()
        before = :erlang.memory(:binary)
        kept = for size <- sizes, do: BoundedBinary.slice(body, 0, size)
        allocated = :erlang.memory(:binary) - before
        charged = reserved(account)
        assert charged >= Enum.sum(sizes)
        assert allocated <= charged + div(charged, 10) + 64 * 1024
        assert Enum.map(kept, &byte_size/1) == sizes
      end)
      |> assert_refunded()
    end
  end

  @tag :native_speed
  test "a decompression bomb takes no more than the limit" do
    # A mebibyte of zeros, flushed: deflate then starts anew, so copies of it may follow each other.
    zeros = deflate(-15, fn zlib -> :zlib.deflate(zlib, :binary.copy(<<0>>, @mib), :full) end)
    finish = deflate(-15, fn zlib -> :zlib.deflate(zlib, [], :finish) end)
    bomb = :binary.copy(zeros, 1024) <> finish
    assert byte_size(bomb) < 1_100_000

    for limit <- [@mib, 16 * @mib] do
      {grown, error} =
        growth(fn ->
          assert_raise(BoundedBinary.DecodeError, fn ->
            BoundedBinary.inflate(bomb, format: :raw, max_bytes: limit)
          end)
        end)

      assert error.kind == :limit
      assert grown < 1.3 * limit
    end

    in_account(16 * @mib, fn _ ->
      {grown, _} =
        growth(fn ->
          assert_raise(Quota.ExceededError, fn ->
            BoundedBinary.inflate(bomb, format: :raw, max_bytes: :infinity)
          end)
        end)

      assert grown < 1.3 * 16 * @mib
    end)
    |> assert_refunded()
  end

  @tag :native_speed
  test "a term bomb takes no more than the limit" do
    # A list of 64 million nils, 1 GB once it is decoded, compressed to 64 KB.
    nils = 64 * @mib

    data =
      deflate(15, fn zlib ->
        [
          :zlib.deflate(zlib, <<?l, nils::32>>),
          for(_ <- 1..64, do: :zlib.deflate(zlib, :binary.copy("j", @mib))),
          :zlib.deflate(zlib, "j", :finish)
        ]
      end)

    bomb = <<131, 80, nils + 6::32, data::binary>>

    for limit <- [16 * @mib, 256 * @mib] do
      {grown, error} =
        growth(fn ->
          assert_raise(BoundedBinary.DecodeError, fn ->
            BoundedBinary.to_term(bomb, max_bytes: limit)
          end)
        end)

      assert error.kind == :limit
      assert grown < 1.3 * limit
    end
  end

  # What zlib makes of what `work` writes.
  defp deflate(window_bits, work) do
    zlib = :zlib.open()
    :ok = :zlib.deflateInit(zlib, :default, :deflated, window_bits, 8, :default)
    data = zlib |> work.() |> IO.iodata_to_binary()
    :zlib.close(zlib)
    data
  end

  # How much the node's memory grew at most while `work` ran, and what it returned.
  defp growth(work) do
    :erlang.garbage_collect()
    before = :erlang.memory(:total)
    watcher = Task.async(fn -> watch(before) end)
    result = work.()
    send(watcher.pid, :stop)
    {Task.await(watcher) - before, result}
  end

  defp watch(peak) do
    receive do
      :stop -> peak
    after
      1 -> watch(max(peak, :erlang.memory(:total)))
    end
  end
end
