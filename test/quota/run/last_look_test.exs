defmodule Quota.Run.LastLookTest do
  # Work that is over before its guard has looked.
  use ExUnit.Case, async: true

  alias Bounded.{Native, Vm}
  alias Bounded.Test.Cover

  @mib 1024 * 1024
  @limit 4 * @mib
  @small 64 * 1024

  setup_all do
    :persistent_term.put(__MODULE__, :binary.copy(<<1>>, 1024))
    on_exit(fn -> :persistent_term.erase(__MODULE__) end)
  end

  @tag :tmp_dir
  test "a file larger than the limit that is read and dropped is a breach", %{tmp_dir: dir} do
    path = Path.join(dir, "large")
    File.write!(path, <<0::size(24 * @mib)-unit(8)>>)
    refused(fn -> byte_size(File.read!(path)) end)
  end

  test "so is every other binary larger than the limit" do
    refused(fn -> byte_size(:crypto.strong_rand_bytes(24 * @mib)) end)
    refused(fn -> byte_size(:erlang.term_to_binary(List.duplicate(<<1::1024>>, 200_000))) end)

    # The binary is garbage when the work ends. `mix test --cover` makes the library count its lines by built-in functions, and
    # on OTP 25 one of these collects garbage before the last look.
    if Vm.release() >= 26 or not Cover.on?() do
      refused(fn ->
        bits = Process.get(:factor, 8) * 24 * @mib
        byte_size(<<0::size(bits)>>)
      end)
    end
  end

  # On OTP 25 such a binary is not listed. The work ends before its guard has started.
  test "so is a binary that was being appended to, wherever the reply or the process dictionary refers to it" do
    replies = [
      & &1,
      &%{key: ["text", {1, :ok, &1}]},
      &fn -> &1 end,
      # A part refers to all of it.
      &binary_part(&1, 0, 100),
      &Process.put(:key, {1.5, &1}),
      &Process.put(:key, %{self() => Map.new(1..200, fn n -> {n, n} end), 2 => &1}),
      &Process.put(:"$callers", [&1]),
      &raise(ArgumentError, message: &1)
    ]

    for reply <- replies, do: refused(fn -> reply.(appended(256)) end, @small)
  end

  test "one that nothing refers to any more is garbage" do
    for _ <- 1..3, do: assert(Quota.run(@limit, fn -> byte_size(appended(1024)) end) == @mib)
  end

  # Within less than a millisecond.
  defp appended(kib) do
    kibibyte = :persistent_term.get(__MODULE__)
    Enum.reduce(1..kib, <<>>, fn _, binary -> <<binary::binary, kibibyte::binary>> end)
  end

  test "and work that raises after it" do
    refused(fn -> raise "#{byte_size(:crypto.strong_rand_bytes(24 * @mib))}" end)
  end

  # Before, the binary is not listed while it is made, and may be collected before anybody sees it.
  if Vm.release() >= 26 do
    test "so is one that is made by a function that yields" do
      refused(fn -> byte_size(String.duplicate("a", 24 * @mib)) end)
      refused(fn -> byte_size(:binary.copy(<<1>>, 24 * @mib)) end)
    end
  end

  test "work that is only observed answers, and its breach is known" do
    test = self()

    work = fn ->
      {account, _} = Native.own_account()
      send(test, {:account, account})
      byte_size(:crypto.strong_rand_bytes(24 * @mib))
    end

    assert Quota.run(@limit, work, mode: :observe) == 24 * @mib
    assert_received {:account, account}
    assert {:binaries, _, _} = Native.account_cause(account)
  end

  test "smaller binaries are collected before they are counted" do
    for mode <- [:enforce, :observe] do
      test = self()

      work = fn ->
        {account, _} = Native.own_account()
        send(test, {:account, account})
        for n <- 1..6, do: byte_size(:binary.copy(<<n>>, @mib))
      end

      assert Quota.run(@limit, work, mode: mode) == List.duplicate(@mib, 6)
      assert_received {:account, account}
      assert Native.account_cause(account) == nil
    end
  end

  test "a result of as much as the limit in one binary is no breach, and of more is one" do
    assert byte_size(Quota.run(@limit, fn -> :binary.copy(<<1>>, @limit - 100_000) end)) > 0
    refused(fn -> :binary.copy(<<1>>, @limit + 1) end)
  end

  test "work that switches its own limit off does not return more either" do
    refused(fn ->
      Process.flag(:max_heap_size, 0)
      byte_size(:crypto.strong_rand_bytes(24 * @mib))
    end)
  end

  test "and its guard stops what grows all the same" do
    refused(fn ->
      Process.flag(:max_heap_size, 0)
      length(Enum.to_list(1..4_000_000))
    end)
  end

  @tag capture_log: true
  test "nor does a process that limits itself keep more" do
    {worker, ref} =
      spawn_monitor(fn ->
        :ok = Quota.put_limit(@limit)
        Process.flag(:max_heap_size, 0)
        binary = :crypto.strong_rand_bytes(24 * @mib)
        Process.sleep(:infinity)
        byte_size(binary)
      end)

    assert_receive {:DOWN, ^ref, _, ^worker, :killed}
  end

  test "what it does within its limit then returns" do
    work = fn ->
      Process.flag(:max_heap_size, 0)
      length(Enum.to_list(1..50_000))
    end

    assert Quota.run(@limit, work) == 50_000
  end

  defp refused(work, limit \\ @limit) do
    for _ <- 1..3 do
      assert {:error, %Quota.ExceededError{category: category}} = Quota.try_run(limit, work)
      assert category in [:binaries, :heap]
    end
  end
end
