defmodule Bounded.DictionaryTest do
  use ExUnit.Case, async: true

  alias Bounded.Dictionary

  @mib 1024 * 1024

  test "reads one value of another process, nil where there is none" do
    pid = holder(fn -> Process.put(:key, {:value, self()}) end)
    assert {:value, ^pid} = Dictionary.get(pid, :key)
    assert nil == Dictionary.get(pid, :other)
    assert {:value, ^pid} = Dictionary.get(pid, :key, 1_000)
    Process.exit(pid, :kill)
    refute Process.alive?(pid)
    assert nil == Dictionary.get(pid, :key)
  end

  if System.otp_release() in ~w(25 26) do
    @tag skip: "OTP 26.2 is the first that gives one value"
  end

  # Copied, it would take 2^40 words.
  test "copies nothing else that the process keeps" do
    pid =
      holder(fn ->
        Process.put(:key, 1)
        Process.put(:shared, Enum.reduce(1..40, [], fn _, list -> [list | list] end))
      end)

    assert Quota.run(@mib, fn -> Dictionary.get(pid, :key) end) == 1
    Process.exit(pid, :kill)
  end

  defp holder(fun) do
    test = self()

    pid =
      spawn(fn ->
        fun.()
        send(test, {:ready, self()})
        Process.sleep(:infinity)
      end)

    assert_receive {:ready, ^pid}
    pid
  end
end
