defmodule Quota.Watchdog.Census.IdentityTest do
  use ExUnit.Case, async: true

  import Bounded.Eventually

  alias Bounded.Vm
  alias Quota.Watchdog.Census.Identity

  # A process that keeps `count` terms in its dictionary, beside its ancestors.
  defp process(count) do
    test = self()

    pid =
      spawn_link(fn ->
        Process.put(:"$ancestors", [test])
        Process.put(:kept, Enum.to_list(1..count))
        send(test, {:kept, self()})
        Process.sleep(:infinity)
      end)

    assert_receive {:kept, ^pid}
    pid
  end

  test "knows the ancestors of a small process" do
    assert Identity.of(process(10), 0).ancestors == [self()]
  end

  test "copies no large dictionary, whatever size the caller takes the process for" do
    pid = process(2_000_000)
    {copied, identity} = copied(fn -> Identity.of(pid, 0) end)
    assert copied < 1024 * 1024

    # From OTP 27 on one value can be read by itself.
    assert identity.ancestors == if(Vm.release() >= 27, do: [self()], else: [])
  end

  test "tells supervisors, those of libraries too" do
    calls = [
      {{:supervisor, Some, 1}, true},
      {{:ranch_conns_sup, :init, 7}, true},
      {{Some.Supervisor, :init, 1}, true},
      {{Some.Server, :init, 1}, false}
    ]

    for {call, supervisor?} <- calls do
      pid =
        spawn_link(fn ->
          Process.put(:"$initial_call", call)
          Process.sleep(:infinity)
        end)

      eventually(fn -> assert %{call: ^call} = Identity.of(pid, 0) end)
      assert Identity.of(pid, 0).supervisor? == supervisor?
    end
  end

  defp copied(fun) do
    test = self()

    spawn_link(fn ->
      identity = fun.()
      {:total_heap_size, words} = Process.info(self(), :total_heap_size)
      send(test, {:identity, Vm.bytes(words), identity})
    end)

    assert_receive {:identity, bytes, identity}
    {bytes, identity}
  end
end
