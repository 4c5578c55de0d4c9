defmodule Quota.ServerTest do
  # A server that limits what it does for others, and does not grow itself.
  use ExUnit.Case, async: true

  import Bounded.Eventually

  @mib 1024 * 1024
  @requests 200
  @clients 8

  defmodule Server do
    use GenServer

    @impl true
    def init({supervisor, then}), do: {:ok, {supervisor, then}}

    # The request and its answer are the task's; what is left here is garbage, and hibernating drops it, at once
    # or when there has been nothing to do for a while (`:hibernate_after`).
    @impl true
    def handle_call(request, from, {supervisor, then}) do
      {:ok, _} =
        Task.Supervisor.start_child(supervisor, fn ->
          :ok = Quota.put_limit(Quota.mib(16), label: :request)
          GenServer.reply(from, answer(request))
        end)

      if then == :hibernate,
        do: {:noreply, {supervisor, then}, :hibernate},
        else: {:noreply, {supervisor, then}}
    end

    defp answer({:sum, numbers}), do: Enum.sum(numbers)
    defp answer({:size, binary}), do: byte_size(:binary.copy(binary))
    defp answer({:keep, binary}), do: keep([binary], binary)

    defp keep(kept, binary), do: keep([:binary.copy(binary) | kept], binary)
  end

  setup do
    supervisor = start_supervised!(Task.Supervisor)

    %{
      server: start(supervisor, :hibernate, []),
      patient: start(supervisor, :wait, hibernate_after: 20),
      supervisor: supervisor
    }
  end

  defp start(supervisor, then, opts) do
    start = {GenServer, :start_link, [Server, {supervisor, then}, opts]}
    start_supervised!(%{id: then, start: start})
  end

  # 4 MB: binaries, and terms, which are copied to the server.
  defp request(n) when rem(n, 2) == 0, do: {:size, :binary.copy(<<n>>, 4_000_000)}
  defp request(_), do: {:sum, Enum.to_list(1..250_000)}

  defp right({:size, binary}), do: byte_size(binary)
  defp right({:sum, numbers}), do: Enum.sum(numbers)

  @tag :slow
  test("hands on 200 requests of 4 MB each and ends under 100 KiB", %{server: server},
    do: hand_on(server)
  )

  @tag :slow
  test("does so with hibernate_after: as well", %{patient: server}, do: hand_on(server))

  defp hand_on(server) do
    Task.async_stream(
      1..@requests,
      fn n ->
        request = request(n)
        assert GenServer.call(server, request, 60_000) == right(request)
      end,
      max_concurrency: @clients,
      timeout: 120_000
    )
    |> Enum.each(fn result -> assert {:ok, true} = result end)

    eventually(fn -> assert footprint(server) < 100 * 1024 end)
  end

  test "goes on when a request takes too much", context do
    %{server: server, supervisor: supervisor} = context
    # Nobody answers for a dead task.
    too_much = {:keep, :binary.copy(<<1>>, @mib)}
    assert {:timeout, _} = catch_exit(GenServer.call(server, too_much, 100))
    eventually(fn -> assert Task.Supervisor.children(supervisor) == [] end)
    assert GenServer.call(server, {:sum, [1, 2]}) == 3
    eventually(fn -> assert footprint(server) < 100 * 1024 end)
  end

  # What it holds itself, binaries in full.
  defp footprint(pid) do
    [memory: memory, binary: binaries] = Process.info(pid, [:memory, :binary])
    memory + (binaries |> Enum.map(&elem(&1, 1)) |> Enum.sum())
  end
end
