defmodule Quota.Watch.BinariesTest do
  # Binaries that the work refers to, and who else does.
  use ExUnit.Case, async: false

  @mib 1024 * 1024
  @limit 8 * 1024 * 1024

  # What the work is handed, and what its caller goes on holding.
  defp received(opts, work \\ &byte_size/1) do
    binary = <<1::size(24 * @mib)-unit(8)>>

    outcome =
      Quota.try_run(
        @limit,
        fn ->
          # Long enough, and with garbage enough, for whoever decides to have looked.
          result = work.(binary)
          churn(200)
          {result, byte_size(binary)}
        end,
        opts
      )

    {outcome, byte_size(binary)}
  end

  defp churn(0), do: :ok

  defp churn(n) do
    Enum.to_list(1..10_000)
    if rem(n, 10) == 0, do: Process.sleep(1)
    churn(n - 1)
  end

  defp keep(0, kept), do: length(kept)

  defp keep(n, kept) do
    if rem(n, 10) == 0, do: Process.sleep(1)
    keep(n - 1, [:binary.copy(<<1>>, @mib) | kept])
  end

  test "a binary received from elsewhere counts in full" do
    assert {{:error, %{category: :binaries}}, _} = received([])
  end

  test "shared_binaries: false leaves it to its owner" do
    assert {{:ok, {_, 25_165_824}}, 25_165_824} = received(shared_binaries: false)
  end

  test "shared_binaries: false leaves a part of it to its owner as well" do
    part = &byte_size(binary_part(&1, 0, 16 * @mib))
    assert {{:ok, {16_777_216, _}}, _} = received([shared_binaries: false], part)
  end

  test "shared_binaries: false counts what the work alone holds" do
    assert {{:error, %{category: :binaries} = error}, _} =
             received([shared_binaries: false], fn _ -> keep(1_000, []) end)

    assert error.usage.total > @limit
  end

  test "of a limit of its own as well" do
    binary = <<1::size(24 * @mib)-unit(8)>>

    {_, ref} =
      spawn_monitor(fn ->
        :ok = Quota.put_limit(@limit, shared_binaries: false)
        churn(100)
        exit({:held, byte_size(binary)})
      end)

    assert_receive {:DOWN, ^ref, _, _, {:held, 25_165_824}}, 30_000
    assert byte_size(binary) == 25_165_824
  end

  # On OTP 29 one that was suspended meanwhile sometimes slept for ever.
  @tag :native_speed
  test "work that sleeps goes on after it has been judged" do
    binary = <<1::size(24 * @mib)-unit(8)>>

    for _ <- 1..10 do
      work = fn ->
        churn(100)
        byte_size(binary)
      end

      assert Quota.run(@limit, work, shared_binaries: false, timeout: 20_000) == 24 * @mib
    end

    assert byte_size(binary) == 24 * @mib
  end
end
