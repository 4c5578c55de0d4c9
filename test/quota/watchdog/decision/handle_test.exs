defmodule Quota.Watchdog.Decision.HandleTest do
  use ExUnit.Case, async: true

  import Bounded.Eventually

  alias Quota.Watchdog.Decision.Handle

  defp candidate(fields \\ %{}) do
    pid = spawn_link(fn -> Process.sleep(:infinity) end)
    Map.merge(%{kind: :process, pid: pid, identity: :private}, fields)
  end

  # The test stands for the black box. On a busy machine an answer may take longer than the watchdog waits.
  defp choose(candidates, handle, ms \\ 5_000),
    do: Handle.choose(candidates, %{options: %{handle: handle}, box: self()}, %{used: 1}, ms)

  defp candidates, do: [candidate(), candidate()]

  test "without a function the culprit ends" do
    [first | _] = candidates = candidates()
    assert choose(candidates, nil) == first
  end

  test "the function chooses, or refuses, and nothing is said" do
    [first, second] = candidates = candidates()
    assert choose(candidates, fn _ -> :end end) == first
    assert choose(candidates, fn %{others: [other]} -> {:end, other.pid} end) == second
    assert choose(candidates, fn _ -> :refuse end) == :refuse
    refute_received {:unanswered, _}
  end

  test "it is told what it needs" do
    test = self()
    [first, second] = candidates = candidates()
    choose(candidates, fn choice -> send(test, choice) && :end end)
    assert_received %{culprit: culprit, others: [other], figures: %{used: 1}}
    assert {culprit, other} == {Map.delete(first, :identity), Map.delete(second, :identity)}
  end

  test "a process that is no candidate does not end" do
    supervisor = spawn_link(fn -> Process.sleep(:infinity) end)
    [first | _] = candidates = candidates()
    assert choose(candidates, fn _ -> {:end, supervisor} end) == first
    assert_received {:unanswered, why}
    assert why == "chose #{inspect(supervisor)}, which is no candidate"
  end

  test "{:end, nil} is not a group, which has no process of its own" do
    first = candidate()
    group = %{kind: :group, key: {:parent, self()}, members: []}
    assert choose([first, group], fn _ -> {:end, nil} end) == first
    assert_received {:unanswered, "returned {:end, nil}"}
  end

  test "what it returns or raises otherwise counts as :end, and is said in short" do
    [first | _] = candidates = candidates()
    large = String.duplicate("x", 100_000)

    for {handle, said} <- [
          {fn _ -> large end, ~r/^returned "xxx/},
          {fn _ -> raise large end, ~r/^raised \*\* \(RuntimeError\) xxx/},
          {fn _ -> throw(:ball) end, ~r/^raised \*\* \(throw\) :ball/},
          {fn _ -> exit(:normal) end, ~r/^raised \*\* \(exit\) normal/}
        ] do
      assert choose(candidates, handle) == first
      assert_received {:unanswered, why}
      assert why =~ said
      assert byte_size(why) < 1_000
    end
  end

  test "one that allocates is ended, and the culprit ends" do
    [first | _] = candidates = candidates()
    assert choose(candidates, fn _ -> length(Enum.to_list(1..50_000_000)) && :refuse end) == first
    assert_received {:unanswered, "needed more than 16 MiB"}
  end

  test "one that is late is ended, its answer is lost, and nothing of it is left" do
    test = self()
    [first | _] = candidates = candidates()

    late = fn _ ->
      send(test, {:asked, self()})
      Process.sleep(60_000)
      :refuse
    end

    assert choose(candidates, late, 50) == first
    assert_received {:asked, pid}
    eventually(fn -> refute Process.alive?(pid) end)
    assert_received {:unanswered, "had no answer within 50 ms"}
    assert {:messages, []} = Process.info(self(), :messages)
  end
end
