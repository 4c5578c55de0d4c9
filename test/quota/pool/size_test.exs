defmodule Quota.Pool.SizeTest do
  use ExUnit.Case, async: true

  alias Bounded.Cgroup
  alias Quota.Pool.Size

  @fixtures Path.expand("../../fixtures/cgroup", __DIR__)
  @mib 1024 * 1024

  # In `v2`: a limit of 256 MiB, of which 79,000,000 bytes are in use that the kernel cannot take back.
  defp resolve(size, reserved \\ 0, resident \\ 50 * @mib, fixture \\ "v2") do
    Size.resolve(size, reserved, resident, Cgroup.find(Path.join(@fixtures, fixture)))
  end

  test "a fraction is of the limit, less what the node holds and other pools reserve" do
    assert {:ok, %{bytes: bytes, limit: limit}} = resolve({:fraction, 0.5})
    assert {bytes, limit} == {78 * @mib, 256 * @mib}
    assert {:ok, %{bytes: bytes}} = resolve({:fraction, 0.5}, 8 * @mib)
    assert bytes == 70 * @mib
  end

  test "without a control group, of the machine's memory" do
    assert {:ok, %{bytes: bytes, source: :machine}} = resolve({:fraction, 0.5}, 0, 0, "none")
    assert bytes == 4_000_000 * 1024
  end

  test "bytes are taken as they are, if they are there" do
    there = 256 * @mib - 79_000_000
    assert {:ok, %{bytes: ^there}} = resolve(there)
    assert {:error, message} = resolve(there + 1)

    assert message ==
             "the node does not have its size: 180.7 MiB were asked for. Of 256 MiB (the limit of the control group) " <>
               "75.3 MiB are in use, so a pool can have 180.7 MiB. Choose a smaller size, or raise the limit of the container"
  end

  test "a fraction that leaves nothing is refused with the figures" do
    assert {:error, message} = resolve({:fraction, 0.1}, 1 * @mib)
    assert message =~ "a fraction of 0.1, less the 50 MiB that the node holds, is nothing"
    assert message =~ "1 MiB are reserved by other pools"
  end

  test "what is too small for any limit is not called too large" do
    for size <- [1, {:fraction, 0.1}, {:fraction, 0.1993}] do
      assert {:error, message} = resolve(size, 1 * @mib)
      assert message =~ "Choose at least 64 KiB, the smallest limit that can run in it"
      refute message =~ "smaller size"
    end
  end

  test "where nothing can be seen, bytes are believed and fractions refused" do
    assert {:ok, %{bytes: 1_000_000, limit: nil} = size} = resolve(1_000_000, 0, 0, "missing")
    assert Size.note(:pool, size, 150) =~ "cannot be read"
    assert {:error, "the memory limit" <> _} = resolve({:fraction, 0.5}, 0, 0, "missing")
  end

  test "what the node holds" do
    assert Size.resident() > 1 * @mib
    assert Size.resident("there is no such directory") > 1 * @mib
  end
end
