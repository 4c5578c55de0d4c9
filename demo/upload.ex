defmodule Demo.Upload do
  @moduledoc false
  # Between httpd, which pushes pieces of a request's body, and the work, which pulls them: holds one piece
  # at a time, so that a fast client waits for slow work. When the work is over, the rest is let go.

  use GenServer

  @doc "Starts `work`, which is given the pieces, for the connection `session`; it ends with the connection."
  def start(session, work) do
    {:ok, upload} = GenServer.start(__MODULE__, {session, work})
    upload
  end

  def put(upload, piece), do: GenServer.call(upload, {:put, piece}, :infinity)

  @doc "Says that there are no more pieces and waits for what the work returns."
  def finish(upload), do: GenServer.call(upload, :finish, :infinity)

  @impl true
  def init({session, work}) do
    Process.monitor(session)
    upload = self()
    {:ok, _} = Task.start_link(fn -> send(upload, {:done, work.(pieces(upload))}) end)
    {:ok, %{piece: nil, putter: nil, taker: nil, ended: false, answer: nil, client: nil}}
  end

  defp pieces(upload) do
    Stream.unfold(upload, fn upload ->
      case GenServer.call(upload, :take, :infinity) do
        nil -> nil
        piece -> {piece, upload}
      end
    end)
  end

  @impl true
  def handle_call({:put, _}, _from, %{answer: {_, _}} = state), do: {:reply, :ok, state}

  def handle_call({:put, piece}, from, %{taker: nil} = state) do
    {:noreply, %{state | piece: piece, putter: from}}
  end

  def handle_call({:put, piece}, _from, state) do
    GenServer.reply(state.taker, piece)
    {:reply, :ok, %{state | taker: nil}}
  end

  def handle_call(:take, _from, %{putter: {_, _}} = state) do
    GenServer.reply(state.putter, :ok)
    {:reply, state.piece, %{state | piece: nil, putter: nil}}
  end

  def handle_call(:take, _from, %{ended: true} = state), do: {:reply, nil, state}
  def handle_call(:take, from, state), do: {:noreply, %{state | taker: from}}

  def handle_call(:finish, from, state) do
    if state.taker, do: GenServer.reply(state.taker, nil)
    settle(%{state | ended: true, taker: nil, client: from})
  end

  @impl true
  def handle_info({:done, answer}, state) do
    if state.putter, do: GenServer.reply(state.putter, :ok)
    settle(%{state | answer: answer, piece: nil, putter: nil, taker: nil})
  end

  def handle_info({:DOWN, _, :process, _, _}, state), do: {:stop, :shutdown, state}

  defp settle(%{client: {_, _}, answer: {_, _}} = state) do
    GenServer.reply(state.client, state.answer)
    {:stop, :normal, state}
  end

  defp settle(state), do: {:noreply, state}
end
