Code.require_file("socket.ex", __DIR__)

defmodule Examples.Sockets.SocketTest do
  # On a real server the handler runs in Quota.PlugServersTest; here a process calls it as a server would.
  use ExUnit.Case, async: true

  alias Examples.Sockets.{Channel, Dashboard, Echo}

  @moduletag :capture_log

  # The process of a socket: it tells the client what is pushed, and how it ended.
  defp socket do
    client = self()

    spawn_monitor(fn ->
      {:ok, state} = Echo.init([])
      serve(client, state)
    end)
  end

  defp serve(client, state) do
    receive do
      {:frame, text} ->
        {:push, {:text, reply}, state} = Echo.handle_in({text, opcode: :text}, state)
        send(client, {:reply, reply})
        serve(client, state)
    end
  end

  test "what is computed over its limit is answered, and the socket stays" do
    {pid, _} = socket()
    send(pid, {:frame, "report 1000"})
    assert_receive {:reply, "1000 rows"}, 5_000
    send(pid, {:frame, "report 3000000"})
    assert_receive {:reply, "too large"}, 5_000
    send(pid, {:frame, "keep 10"})
    assert_receive {:reply, "10 kept"}, 5_000
    Process.exit(pid, :kill)
  end

  test "a socket that keeps more than its limit ends, and the next one begins anew" do
    {pid, ref} = socket()
    send(pid, {:frame, "keep 100"})
    assert_receive {:reply, "100 kept"}, 5_000
    send(pid, {:frame, "keep 3000000"})
    assert_receive {:DOWN, ^ref, _, _, :killed}, 5_000
    {pid, _} = socket()
    send(pid, {:frame, "keep 100"})
    assert_receive {:reply, "100 kept"}, 5_000
    Process.exit(pid, :kill)
  end

  test "a channel ends by itself: the transport tells the client, and other topics stay" do
    transport = self()

    join = fn topic ->
      spawn_monitor(fn ->
        {:ok, socket} = Channel.join(topic, %{}, %{topic: topic})
        channel(transport, socket)
      end)
    end

    {one, ref} = join.("rows:1")
    {other, _} = join.("rows:2")
    send(one, {:event, "keep", %{"count" => 3_000_000}})
    # From this, Phoenix's transport makes `phx_error`.
    assert_receive {:DOWN, ^ref, _, ^one, :killed}, 5_000
    send(other, {:event, "keep", %{"count" => 10}})
    assert_receive {:reply, "rows:2", {:ok, 10}}, 5_000
    Process.exit(other, :kill)
  end

  defp channel(transport, socket) do
    receive do
      {:event, event, params} ->
        {:reply, reply, socket} = Channel.handle_in(event, params, socket)
        send(transport, {:reply, socket.topic, reply})
        channel(transport, socket)
    end
  end

  test "a LiveView is limited once its socket is connected, and begins anew after a breach" do
    disconnected = %{transport_pid: nil, assigns: %{}}
    assert {:ok, %{assigns: %{rows: []}}} = Dashboard.mount(%{}, %{}, disconnected)
    refute Enum.any?(Quota.list(), &(&1.pid == self()))

    {pid, ref} = live_view()
    send(pid, {:event, "load", %{"count" => 100}})
    assert_receive {:rendered, 100}, 5_000
    assert %{label: "dashboard"} = Enum.find(Quota.list(), &(&1.pid == pid))
    send(pid, {:event, "load", %{"count" => 3_000_000}})
    assert_receive {:DOWN, ^ref, _, _, :killed}, 5_000

    {pid, _} = live_view()
    send(pid, {:event, "load", %{"count" => 10}})
    assert_receive {:rendered, 10}, 5_000
    Process.exit(pid, :kill)
  end

  defp live_view do
    client = self()

    spawn_monitor(fn ->
      {:ok, socket} = Dashboard.mount(%{}, %{}, %{transport_pid: client, assigns: %{}})
      live_view(client, socket)
    end)
  end

  defp live_view(client, socket) do
    receive do
      {:event, event, params} ->
        {:noreply, socket} = Dashboard.handle_event(event, params, socket)
        send(client, {:rendered, length(socket.assigns.rows)})
        live_view(client, socket)
    end
  end
end
