defmodule Quota.AppendTest do
  use ExUnit.Case, async: true

  alias Quota.Watch.{Binaries, ProcessStats}

  @limit Quota.mib(24)

  # Does as it is told, and keeps one binary.
  defp holder(binary) do
    receive do
      {:append, bytes, from} ->
        binary = append(binary, bytes)
        send(from, :done)
        holder(binary)
    end
  end

  defp append(binary, bytes) when bytes <= 0, do: binary
  defp append(binary, bytes), do: append(<<binary::binary, 0::8000>>, bytes - 1_000)

  defp grow(pid, bytes) do
    send(pid, {:append, bytes, self()})
    assert_receive :done
  end

  defp room(pid, seen) do
    {heap, binaries, _, _} = ProcessStats.of(pid)
    Binaries.room(pid, heap, binaries, @limit, seen)
  end

  test "there is room for a binary that is being appended to, until it does not grow any more" do
    pid = spawn_link(fn -> holder(<<>>) end)
    grow(pid, 13_000_000)
    {_, seen} = room(pid, nil)
    grow(pid, 5_000_000)
    {room, seen} = room(pid, seen)
    assert room in 8_000_000..11_000_000

    if Bounded.Vm.release() < 26 do
      {0, _} = Enum.reduce(1..5, {room, seen}, fn _, {_, seen} -> room(pid, seen) end)
    end
  end

  test "there is none for binaries that only are there, however large" do
    pid = spawn_link(fn -> holder(:binary.copy(<<0>>, 18_000_000)) end)
    {0, seen} = room(pid, nil)
    assert {0, _} = room(pid, seen)
  end
end
